"""API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import KeyPath, Position, ProjectPath
from regcred.web.dialects.native.wire.common import Listing
from regcred.web.dialects.native.wire.keys import Key, KeyPage, KeyPatch, MadeKey, NewKey
from regcred.web.routing import Call, StrictRoute, mark_replayed, rendered

router = APIRouter(route_class=StrictRoute, tags=["keys"], prefix="/v1/projects/{project}/keys")


@router.get("", operation_id="listKeys", response_model=KeyPage)
async def list_keys(
    call: Call, project: ProjectPath, page: Annotated[Listing, Query()]
) -> Response:
    """List a project's keys by id, without their texts."""
    position = Position(call, project, "keys")
    rows = await call.services.keys.list(
        call.caller, project, position.text(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda key: key.id)
    return rendered(KeyPage(items=[Key.of(row) for row in rows], next_cursor=cursor))


@router.post("", operation_id="createKey", response_model=MadeKey, status_code=201)
async def create_key(call: Call, project: ProjectPath, body: NewKey) -> Response:
    """Make a key. Its text is in this answer and never again."""
    made = await call.services.keys.create(call.caller, project, body.draft(), call.idempotent())
    answer = rendered(MadeKey.made(made), 201, version=made.key.version)
    return mark_replayed(answer, replayed=made.text is None)


@router.get("/{key}", operation_id="getKey", response_model=Key)
async def get_key(call: Call, project: ProjectPath, key: KeyPath) -> Response:
    """Show a key without its text."""
    found = await call.services.keys.get(call.caller, project, key)
    return rendered(Key.of(found), version=found.version)


@router.patch("/{key}", operation_id="updateKey", response_model=Key)
async def update_key(call: Call, project: ProjectPath, key: KeyPath, body: KeyPatch) -> Response:
    """Rename, narrow, disable or re-enable a key, or move its expiry."""
    expected = await call.expected_version(lambda: _version(call, project, key))
    changed = await call.services.keys.update(call.caller, project, key, expected, body.changes())
    return rendered(Key.of(changed), version=changed.version)


@router.delete("/{key}", operation_id="deleteKey", status_code=204)
async def delete_key(call: Call, project: ProjectPath, key: KeyPath) -> Response:
    """Revoke a key: the very next request with it is refused."""
    expected = await call.expected_version(lambda: _version(call, project, key))
    await call.services.keys.delete(call.caller, project, key, expected)
    return Response(status_code=204)


async def _version(call: Call, project: ProjectPath, key: str) -> int:
    return (await call.services.keys.get(call.caller, project, key)).version
