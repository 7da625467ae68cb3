"""Deployments that use a credential."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from regcred.web.dialects.native.paths import (
    CredentialPath,
    ProjectPath,
    UseKindPath,
    UseNamePath,
)
from regcred.web.dialects.native.wire.uses import PutUse, Use, UseList
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(
    route_class=StrictRoute,
    tags=["uses"],
    prefix="/v1/projects/{project}/credentials/{credential}/uses",
)


@router.get("", operation_id="listUses", response_model=UseList)
async def list_uses(call: Call, project: ProjectPath, credential: CredentialPath) -> Response:
    """List who uses a credential now."""
    uses = await call.services.uses.list(call.caller, project, credential)
    return rendered(UseList(items=[Use.of(use) for use in uses]))


@router.put("/{kind}/{name}", operation_id="putUse", response_model=Use)
async def put_use(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    kind: UseKindPath,
    name: UseNamePath,
    body: PutUse | None = None,
) -> Response:
    """Declare a use, or renew its lease."""
    lease = None if body is None else body.lease_seconds
    use = await call.services.uses.put(
        call.caller, project, credential, kind, name, lease_seconds=lease
    )
    return rendered(Use.of(use))


@router.delete("/{kind}/{name}", operation_id="deleteUse", status_code=204)
async def delete_use(
    call: Call,
    project: ProjectPath,
    credential: CredentialPath,
    kind: UseKindPath,
    name: UseNamePath,
) -> Response:
    """Release a use."""
    await call.services.uses.delete(call.caller, project, credential, kind, name)
    return Response(status_code=204)
