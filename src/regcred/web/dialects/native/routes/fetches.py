"""Who fetched a login."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.domain.fetch import FetchPosition
from regcred.web.dialects.native.paths import CredentialPath, Position, ProjectPath
from regcred.web.dialects.native.wire.fetches import Fetch, FetchListing, FetchPage
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["credentials"])


@router.get(
    "/v1/projects/{project}/credentials/{credential}/fetches",
    operation_id="listFetches",
    response_model=FetchPage,
)
async def list_fetches(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    page: Annotated[FetchListing, Query()],
) -> Response:
    """List who fetched a login, newest first: client, image, node and namespace where known."""
    position = Position(call, project, f"fetches/{credential}")
    found = await call.services.fetches(
        call.caller, project, credential, page.since, _read(position.text(page.cursor)), page.limit
    )
    return rendered(
        FetchPage(
            items=[Fetch.of(fetch) for fetch in found.items],
            next_cursor=position.seal(_written(found.more)),
            complete=found.complete,
            complete_since=found.complete_since,
        )
    )


def _written(position: FetchPosition | None) -> str | None:
    return None if position is None else f"{position.number}@{position.last_at.isoformat()}"


def _read(text: str) -> FetchPosition | None:
    """Return what `_written` wrote: cursors are sealed, so it was."""
    number, _, last_at = text.partition("@")
    return FetchPosition(datetime.fromisoformat(last_at), int(number)) if text else None
