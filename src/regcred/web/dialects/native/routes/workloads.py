"""Which service accounts may take a project's logins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import Position, ProjectPath, WorkloadPath
from regcred.web.dialects.native.wire.common import Listing
from regcred.web.dialects.native.wire.workloads import NewWorkload, Workload, WorkloadPage
from regcred.web.routing import Call, StrictRoute, mark_replayed, rendered

router = APIRouter(
    route_class=StrictRoute, tags=["workloads"], prefix="/v1/projects/{project}/workloads"
)


@router.get("", operation_id="listWorkloads", response_model=WorkloadPage)
async def list_workloads(
    call: Call, project: ProjectPath, page: Annotated[Listing, Query()]
) -> Response:
    """List a project's workloads by id."""
    position = Position(call, project, "workloads")
    rows = await call.services.workloads.list(
        call.caller, project, position.text(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda workload: str(workload.id))
    return rendered(WorkloadPage(items=[Workload.of(row) for row in rows], next_cursor=cursor))


@router.post("", operation_id="allowWorkload", response_model=Workload, status_code=201)
async def allow_workload(call: Call, project: ProjectPath, body: NewWorkload) -> Response:
    """Let a cluster's service account take the logins of these images, without a key."""
    made = await call.services.workloads.allow(
        call.caller, project, body.draft(), call.idempotent()
    )
    return mark_replayed(rendered(Workload.of(made.workload), 201), replayed=made.replayed)


@router.get("/{workload}", operation_id="getWorkload", response_model=Workload)
async def get_workload(call: Call, project: ProjectPath, workload: WorkloadPath) -> Response:
    """Show a workload."""
    return rendered(Workload.of(await call.services.workloads.get(call.caller, project, workload)))


@router.delete("/{workload}", operation_id="withdrawWorkload", status_code=204)
async def withdraw_workload(call: Call, project: ProjectPath, workload: WorkloadPath) -> Response:
    """Let it pull no more: the very next request is refused."""
    await call.services.workloads.withdraw(call.caller, project, workload)
    return Response(status_code=204)
