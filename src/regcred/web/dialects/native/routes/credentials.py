"""Registry credentials."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import CredentialPath, Position, ProjectPath
from regcred.web.dialects.native.wire.common import Flag, Require
from regcred.web.dialects.native.wire.credentials import (
    Credential,
    CredentialListing,
    CredentialPage,
    CredentialPatch,
    NewCredential,
    shown,
)
from regcred.web.routing import Call, StrictRoute, mark_replayed, rendered

router = APIRouter(
    route_class=StrictRoute, tags=["credentials"], prefix="/v1/projects/{project}/credentials"
)

VerifyFirst = Annotated[
    Require | None,
    Query(description="`require`: store only what the registry accepts, else 422."),
]


@router.get("", operation_id="listCredentials", response_model=CredentialPage)
async def list_credentials(
    call: Call, project: ProjectPath, page: Annotated[CredentialListing, Query()]
) -> Response:
    """List credentials by number. A narrowed puller's pages hold its own matches alone."""
    position = Position(call, project, "credentials")
    found, more = await call.services.credentials.list(
        call.caller, project, page.narrowed(), position.number(page.cursor), page.limit
    )
    items = [shown(credential) for credential in found]
    return rendered({"items": items, "next_cursor": position.seal(more)})


@router.post("", operation_id="createCredential", response_model=Credential, status_code=201)
async def create_credential(
    call: Call, project: ProjectPath, body: NewCredential, verify: VerifyFirst = None
) -> Response:
    """Store a login. Its password is sealed and never shown here again."""
    made = await call.services.credentials.create_once(
        call.caller,
        project,
        body.draft(),
        proven=verify is not None,
        idempotent=call.idempotent(),
    )
    answer = rendered(shown(made.credential), 201, version=made.credential.version)
    return mark_replayed(answer, replayed=made.replayed)


@router.get("/{credential}", operation_id="getCredential", response_model=Credential)
async def get_credential(call: Call, project: ProjectPath, credential: CredentialPath) -> Response:
    """Show a login without its password."""
    found = await call.services.credentials.get(call.caller, project, credential)
    return rendered(shown(found), version=found.version)


@router.put("/{credential}", operation_id="replaceCredential", response_model=Credential)
async def replace_credential(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    body: NewCredential,
    verify: VerifyFirst = None,
) -> Response:
    """Put a whole login in the place of another; its id, number and history stay."""
    expected = await call.expected_version(lambda: _version(call, project, credential))
    stored = await call.services.credentials.replace(
        call.caller, project, credential, expected, body.draft(), proven=verify is not None
    )
    return rendered(shown(stored), version=stored.version)


@router.patch("/{credential}", operation_id="updateCredential", response_model=Credential)
async def update_credential(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    body: CredentialPatch,
    verify: VerifyFirst = None,
) -> Response:
    """Change what is given and keep the rest, the password too (JSON merge patch)."""
    expected = await call.expected_version(lambda: _version(call, project, credential))
    stored = await call.services.credentials.patch(
        call.caller, project, credential, expected, body.change(), proven=verify is not None
    )
    return rendered(shown(stored), version=stored.version)


@router.delete("/{credential}", operation_id="deleteCredential", status_code=204)
async def delete_credential(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    force: Annotated[Flag, Query(description="Delete its uses too.")] = False,
) -> Response:
    """Delete a login. While deployments use it: 409 with their names, unless forced."""
    expected = await call.expected_version(lambda: _version(call, project, credential))
    await call.services.credentials.delete(
        call.caller, project, credential, expected, with_uses=force
    )
    return Response(status_code=204)


async def _version(call: Call, project: ProjectPath, credential: str) -> int:
    return (await call.services.credentials.get(call.caller, project, credential)).version
