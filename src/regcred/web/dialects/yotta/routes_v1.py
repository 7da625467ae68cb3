"""Yotta's older operations, which its `yottactl` still uses: numbers as text, no update."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from regcred.web.dialects.yotta.routes import Id, answered, deleted, every_login
from regcred.web.dialects.yotta.wire import (
    CredentialListResultV1,
    CredentialResultV1,
    IdResultV1,
    NewCredentialV1,
    Result,
    shown_v1,
)
from regcred.web.routing import Call, VendorRoute

router = APIRouter(
    route_class=VendorRoute, tags=["Credentials v1"], prefix="/openapi/v1/credentials"
)


@router.post("/create", operation_id="createCredentialV1", response_model=IdResultV1)
async def create_credential(call: Call, body: NewCredentialV1) -> Response:
    """Store a login and return its id."""
    made = await call.services.credentials.create(call.caller, None, body.draft())
    return answered(str(made.number))


@router.get("/list", operation_id="listCredentialsV1", response_model=CredentialListResultV1)
async def list_credentials(call: Call) -> Response:
    """List every login of the key's project in the order in which they were made."""
    return answered(await every_login(call, shown_v1))


@router.get("/{id}", operation_id="getCredentialV1", response_model=CredentialResultV1)
async def get_credential(call: Call, id_: Annotated[Id, Path(alias="id")]) -> Response:
    """Show a login without its user name and token."""
    return answered(shown_v1(await call.services.credentials.get(call.caller, None, id_)))


@router.delete("/{id}", operation_id="deleteCredentialV1", response_model=Result)
async def delete_credential(call: Call, id_: Annotated[Id, Path(alias="id")]) -> Response:
    """Delete a login, unless something uses it: 409 then, with the users."""
    return await deleted(call, id_)
