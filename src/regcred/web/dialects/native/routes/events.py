"""What a project's people should hear of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import Position, ProjectPath
from regcred.web.dialects.native.wire.events import Event, EventListing, EventPage
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["events"])


@router.get("/v1/projects/{project}/events", operation_id="listEvents", response_model=EventPage)
async def list_events(
    call: Call, project: ProjectPath, page: Annotated[EventListing, Query()]
) -> Response:
    """List what there is to hear of: logins going bad or about to end. Newest first."""
    position = Position(call, project, "events")
    rows, after = await call.services.events(
        call.caller, project, page.kind, page.credential, position.number(page.cursor), page.limit
    )
    cursor = position.seal(after)
    return rendered(EventPage(items=[Event.of(row) for row in rows], next_cursor=cursor))
