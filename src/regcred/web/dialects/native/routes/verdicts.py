"""Checks of logins against the real registry."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.domain.credential import Draft
from regcred.domain.registry import ImageReference
from regcred.web.dialects.native.paths import CredentialPath, Position, ProjectPath
from regcred.web.dialects.native.wire.common import Listing, Page, address_text
from regcred.web.dialects.native.wire.verdicts import (
    Probe,
    ProbeRegistry,
    Verdict,
    VerifyStored,
    VerifyTypedIn,
)
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["verdicts"], prefix="/v1/projects/{project}")


class VerdictPage(Page[Verdict]):
    """A credential's verdicts, newest first."""


@router.post("/credentials:verify", operation_id="verifyLogin", response_model=Verdict)
async def verify_login(call: Call, project: ProjectPath, body: VerifyTypedIn) -> Response:
    """Check a login that is not stored, and store nothing. Every verdict is a 200."""
    verdict = await call.services.verify.typed_in(
        call.caller, project, _unnamed(body), _image(body.image)
    )
    return rendered(Verdict.of(verdict))


@router.post("/registries:probe", operation_id="probeRegistry", response_model=Probe)
async def probe_registry(call: Call, project: ProjectPath, body: ProbeRegistry) -> Response:
    """Ask a registry what it wants of a login, without one. Every outcome is a 200."""
    probe = await call.services.probe(call.caller, project, body.registry_url, body.settings)
    return rendered(Probe.of(probe))


@router.post(
    "/credentials/{credential}:verify", operation_id="verifyCredential", response_model=Verdict
)
async def verify_credential(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    body: VerifyStored | None = None,
) -> Response:
    """Check a stored login and add the verdict to its history. Every verdict is a 200."""
    image = _image(None if body is None else body.image)
    verdict = await call.services.verify.stored(call.caller, project, credential, image)
    return rendered(Verdict.of(verdict))


@router.get(
    "/credentials/{credential}/verdicts", operation_id="listVerdicts", response_model=VerdictPage
)
async def list_verdicts(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    page: Annotated[Listing, Query()],
) -> Response:
    """List a login's verdicts, newest first."""
    position = Position(call, project, f"verdicts/{credential}")
    rows = await call.services.verify.history(
        call.caller, project, credential, position.number(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda row: row[0])
    return rendered(VerdictPage(items=[Verdict.of(v) for _, v in rows], next_cursor=cursor))


def _image(text: str | None) -> ImageReference | None:
    return None if text is None else ImageReference.parse(text)


def _unnamed(body: VerifyTypedIn) -> Draft:
    return Draft(
        name="not stored",
        username=body.username,
        password=body.password,
        registry_url=address_text(body.registry_url),
        provider=body.provider,
        settings=body.settings,
    )
