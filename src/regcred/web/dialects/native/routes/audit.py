"""The trace of a project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import Position, ProjectPath
from regcred.web.dialects.native.wire.audit import AuditEntry, AuditListing, AuditPage
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["audit"])


@router.get("/v1/projects/{project}/audit", operation_id="listAudit", response_model=AuditPage)
async def list_audit(
    call: Call, project: ProjectPath, page: Annotated[AuditListing, Query()]
) -> Response:
    """List what happened in a project, newest first. Needs an admin's key.

    What happened to the service itself stands under 00000000-0000-0000-0000-000000000000, for
    operators' keys.
    """
    position = Position(call, project, "audit")
    rows = await call.services.audit(
        call.caller, project, page.narrowed(), position.number(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda row: row.number)
    return rendered(AuditPage(items=[AuditEntry.of(row) for row in rows], next_cursor=cursor))
