"""Yotta's operations of v2, and what both versions of its API do alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import InvalidInput
from regcred.domain.ports import CredentialFilter
from regcred.web.dialects.yotta.wire import (
    CredentialListResult,
    CredentialResult,
    CredentialUpdate,
    NewCredential,
    Result,
    shown,
    succeeded,
)
from regcred.web.json_body import JSON
from regcred.web.routing import Call, VendorRoute
from regcred.web.shapes import MAX_INT64, WholeNumber

MAX_LISTED = 10_000
_STRIDE = 500

Id = Annotated[
    int,
    WholeNumber("id", maximum=MAX_INT64, schema={"format": "int64"}),
    Path(description="The login's number."),
]

router = APIRouter(
    route_class=VendorRoute, tags=["Credentials v2"], prefix="/v2/container-registry-auths"
)


@router.post("", operation_id="createCredential", response_model=CredentialResult)
async def create_credential(call: Call, body: NewCredential) -> Response:
    """Store a login. Its password is sealed; neither it nor the user name is shown here."""
    made = await call.services.credentials.create(call.caller, None, body.draft())
    return answered(_shown(call, made))


@router.get("", operation_id="listCredentials", response_model=CredentialListResult)
async def list_credentials(call: Call) -> Response:
    """List every login of the key's project in the order in which they were made."""
    return answered(await every_login(call, lambda credential: _shown(call, credential)))


@router.get("/{id}", operation_id="getCredential", response_model=CredentialResult)
async def get_credential(call: Call, id_: Annotated[Id, Path(alias="id")]) -> Response:
    """Show a login without its user name and password."""
    return answered(_shown(call, await call.services.credentials.get(call.caller, None, id_)))


@router.patch("/{id}", operation_id="updateCredential", response_model=CredentialResult)
async def update_credential(
    call: Call, id_: Annotated[Id, Path(alias="id")], body: CredentialUpdate
) -> Response:
    """Change what is given and keep the rest."""
    stored = await call.services.credentials.patch(call.caller, None, id_, None, body.change())
    return answered(_shown(call, stored))


@router.delete("/{id}", operation_id="deleteCredential", response_model=Result)
async def delete_credential(call: Call, id_: Annotated[Id, Path(alias="id")]) -> Response:
    """Delete a login, unless something uses it: 409 then, with the users."""
    return await deleted(call, id_)


async def deleted(call: Call, number: int) -> Response:
    """Delete a login that nothing uses. Raise CredentialInUse."""
    await call.services.credentials.delete(call.caller, None, number, None)
    return answered(None)


async def every_login(
    call: Call, show: Callable[[RegistryCredential], dict[str, object]]
) -> list[dict[str, object]]:
    """Return all logins of the key's project, shown page by page: other requests go in between.

    Raise InvalidInput for more than MAX_LISTED.
    """
    if not call.caller.image_patterns:
        # A narrowed key's logins are counted by looking at them, which is what follows.
        _, total = await call.services.credentials.page(call.caller, None, 0, 1)
        _refuse_beyond(total)
    found: list[dict[str, object]] = []
    after: int | None = 0
    while after is not None:
        page, after = await call.services.credentials.list(
            call.caller, None, CredentialFilter(), after, _STRIDE
        )
        found += map(show, page)
        _refuse_beyond(len(found))
    return found


def _refuse_beyond(count: int) -> None:
    if count > MAX_LISTED:
        raise InvalidInput(
            "credentials",
            f"are more than the {MAX_LISTED} that this operation lists: "
            "page through GET /v1/projects/-/credentials",
        )


def answered(data: object) -> Response:
    """Return `data` in the envelope of success."""
    return Response(succeeded(data), media_type=JSON)


def _shown(call: Call, credential: RegistryCredential) -> dict[str, object]:
    return shown(credential, call.services.families)
