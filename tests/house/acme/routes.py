"""Acme's operations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator
from starlette.responses import Response

from regcred.web.dialects.acme.wire import Login, LoginList, NewLogin, NewToken
from regcred.web.references import nfc
from regcred.web.routing import Call, VendorRoute, rendered
from regcred.web.shapes import WholeNumber

Name = Annotated[str, AfterValidator(nfc)]
Offset = Annotated[int, WholeNumber("offset", minimum=0, schema={"minimum": 0})]
router = APIRouter(route_class=VendorRoute, tags=["logins"], prefix="/acme/logins")


@router.get("", operation_id="listLogins", response_model=LoginList)
async def list_logins(call: Call, offset: Offset = 0) -> Response:
    """List a hundred logins, and how many there are."""
    found, total = await call.services.credentials.page(call.caller, None, offset, 100)
    return rendered(LoginList(logins=list(map(Login.of, found)), total=total))


@router.post("", operation_id="createLogin", response_model=Login, status_code=201)
async def create_login(call: Call, body: NewLogin) -> Response:
    """Store a login."""
    made = await call.services.credentials.create(call.caller, None, body.draft())
    return rendered(Login.of(made), 201)


@router.get("/{login}", operation_id="getLogin", response_model=Login)
async def get_login(call: Call, login: Name) -> Response:
    """Show a login."""
    return rendered(Login.of(await call.services.credentials.get(call.caller, None, login)))


@router.put("/{login}", operation_id="changeLogin", response_model=Login)
async def change_login(call: Call, login: Name, body: NewToken) -> Response:
    """Change a login's token."""
    stored = await call.services.credentials.patch(call.caller, None, login, None, body.change())
    return rendered(Login.of(stored))


@router.delete("/{login}", operation_id="deleteLogin", status_code=204)
async def delete_login(call: Call, login: Name) -> Response:
    """Delete a login that nothing uses."""
    await call.services.credentials.delete(call.caller, None, login, None)
    return Response(status_code=204)
