"""Projects, and who is asking."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import Position, ProjectPath
from regcred.web.dialects.native.wire.common import Listing
from regcred.web.dialects.native.wire.keys import Key
from regcred.web.dialects.native.wire.projects import (
    NewProject,
    Project,
    ProjectPage,
    ProjectPatch,
    WhoAmI,
)
from regcred.web.routing import Call, StrictRoute, mark_replayed, rendered

router = APIRouter(route_class=StrictRoute, tags=["projects"])


@router.get("/v1/whoami", operation_id="whoAmI", response_model=WhoAmI)
async def who_am_i(call: Call) -> Response:
    """Say which key this is, where it is at home, and what it may do."""
    key = await call.services.keys.own(call.caller)
    home = await call.services.projects.get(call.caller, None)
    return rendered(WhoAmI.of(call.caller, Key.of(key), Project.of(home)))


@router.get("/v1/projects", operation_id="listProjects", response_model=ProjectPage)
async def list_projects(call: Call, page: Annotated[Listing, Query()]) -> Response:
    """List projects by number: all for an operator's key, else the key's own."""
    position = Position(call, None, "projects")
    rows = await call.services.projects.list(
        call.caller, position.number(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda project: project.number)
    return rendered(ProjectPage(items=[Project.of(row) for row in rows], next_cursor=cursor))


@router.post("/v1/projects", operation_id="createProject", response_model=Project, status_code=201)
async def create_project(call: Call, body: NewProject) -> Response:
    """Make an empty project. Needs an operator's admin key."""
    made = await call.services.projects.create(call.caller, body.name, call.idempotent())
    answer = rendered(Project.of(made.project), 201, version=made.project.version)
    return mark_replayed(answer, replayed=made.replayed)


@router.get("/v1/projects/{project}", operation_id="getProject", response_model=Project)
async def get_project(call: Call, project: ProjectPath) -> Response:
    """Show a project."""
    found = await call.services.projects.get(call.caller, project)
    return rendered(Project.of(found), version=found.version)


@router.patch("/v1/projects/{project}", operation_id="updateProject", response_model=Project)
async def update_project(call: Call, project: ProjectPath, body: ProjectPatch) -> Response:
    """Rename a project, demand If-Match on its credentials, or say how often they are checked."""
    expected = await call.expected_version(lambda: _version(call, project))
    changed = await call.services.projects.update(
        call.caller, project, expected, **body.model_dump(exclude_unset=True)
    )
    return rendered(Project.of(changed), version=changed.version)


@router.delete("/v1/projects/{project}", operation_id="deleteProject", status_code=204)
async def delete_project(call: Call, project: ProjectPath) -> Response:
    """Delete an empty project with its keys. Its audit stays. Needs an operator's admin key."""
    expected = await call.expected_version(lambda: _version(call, project))
    await call.services.projects.delete(call.caller, project, expected)
    return Response(status_code=204)


async def _version(call: Call, project: ProjectPath) -> int:
    return (await call.services.projects.get(call.caller, project)).version
