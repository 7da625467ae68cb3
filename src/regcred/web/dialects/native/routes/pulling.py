"""Which login an image gets.

resolve and the kubelet's question are declared here and served beside this app (hot path).
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from regcred.domain.errors import NotFound
from regcred.web.dialects.native.paths import ProjectPath
from regcred.web.dialects.native.wire.kubelet import AskKubelet, KubeletAnswer
from regcred.web.dialects.native.wire.pulling import (
    AskExplain,
    AskResolve,
    Explained,
    Resolution,
)
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["pulling"], prefix="/v1/projects/{project}")


@router.post("/explain", operation_id="explainImage", response_model=Explained)
async def explain_image(call: Call, project: ProjectPath, body: AskExplain) -> Response:
    """Say which login an image gets, by which rule, and what each client does. No secrets."""
    return rendered(Explained.of(await call.services.explain(call.caller, project, body.image)))


@router.post("/resolve", operation_id="resolveImage", response_model=Resolution)
async def resolve_image(
    call: Call,  # noqa: ARG001  for the document
    project: ProjectPath,  # noqa: ARG001  for the document
    body: AskResolve,  # noqa: ARG001  for the document
) -> Response:
    """Hand out the logins for an image, in the order to try them; audited before it answers."""
    raise NotFound


@router.post("/kubelet-credential", operation_id="kubeletCredential", response_model=KubeletAnswer)
async def kubelet_credential(
    call: Call,  # noqa: ARG001  for the document
    project: ProjectPath,  # noqa: ARG001  for the document
    body: AskKubelet,  # noqa: ARG001  for the document
) -> Response:
    """Answer the kubelet's CredentialProviderRequest with the response that its plugin prints."""
    raise NotFound
