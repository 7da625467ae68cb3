"""Sevalla's operations on docker registries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import PlainValidator, WithJsonSchema
from starlette.responses import Response

from regcred.domain.errors import MalformedRequest
from regcred.web.dialects.sevalla.wire import (
    DockerRegistry,
    Message,
    NewRegistry,
    RegistryPage,
    RegistryUpdate,
)
from regcred.web.routing import Call, VendorRoute, rendered
from regcred.web.shapes import WholeNumber, ecma

_HEX = "[0-9a-fA-F]"
ID = (
    f"^({_HEX}{{8}}-{_HEX}{{4}}-[1-8]{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-{_HEX}{{12}}|"
    "00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff)$"
)


def _id(value: object) -> UUID:
    if not isinstance(value, str) or not ecma(ID).search(value):
        raise MalformedRequest("id", "must be a UUID")
    return UUID(value)


Id = Annotated[
    UUID,
    PlainValidator(_id),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID}),
    Path(description="The login's id."),
]
Limit = Annotated[
    int, WholeNumber("limit", minimum=1, maximum=100, schema={"minimum": 1, "maximum": 100})
]
Offset = Annotated[
    int, WholeNumber("offset", minimum=0, maximum=10_000, schema={"minimum": 0, "maximum": 10_000})
]

router = APIRouter(
    route_class=VendorRoute, tags=["Docker Registries"], prefix="/v3/docker-registries"
)


@router.get("", operation_id="listDockerRegistriesV3", response_model=RegistryPage)
async def list_registries(call: Call, limit: Limit = 25, offset: Offset = 0) -> Response:
    """List logins of the key's project in the order in which they were made."""
    found, total = await call.services.credentials.page(call.caller, None, offset, limit)
    data = [DockerRegistry.of(credential, call.services.families) for credential in found]
    return rendered(RegistryPage(data=data, total=total, offset=offset, limit=limit))


@router.post(
    "", operation_id="createDockerRegistryV3", response_model=DockerRegistry, status_code=201
)
async def create_registry(call: Call, body: NewRegistry) -> Response:
    """Store a login. Its secret is sealed and never shown here."""
    made = await call.services.credentials.create(call.caller, None, body.draft())
    return rendered(DockerRegistry.of(made, call.services.families), 201)


@router.get("/{id}", operation_id="getDockerRegistryV3", response_model=DockerRegistry)
async def get_registry(call: Call, id_: Annotated[Id, Path(alias="id")]) -> Response:
    """Show a login without its secret."""
    found = await call.services.credentials.get(call.caller, None, id_)
    return rendered(DockerRegistry.of(found, call.services.families))


@router.patch("/{id}", operation_id="updateDockerRegistryV3", response_model=DockerRegistry)
async def update_registry(
    call: Call, id_: Annotated[Id, Path(alias="id")], body: RegistryUpdate
) -> Response:
    """Change what is given and keep the rest."""
    families = call.services.families
    stored = await call.services.credentials.patch(
        call.caller, None, id_, None, lambda old: body.change_of(old, families)
    )
    return rendered(DockerRegistry.of(stored, families))


@router.delete("/{id}", operation_id="deleteDockerRegistryV3", response_model=Message)
async def delete_registry(call: Call, id_: Annotated[Id, Path(alias="id")]) -> Response:
    """Delete a login, and the uses that were declared of it."""
    await call.services.credentials.delete(call.caller, None, id_, None, with_uses=True)
    return rendered(Message(message="Docker registry credential deleted"))
