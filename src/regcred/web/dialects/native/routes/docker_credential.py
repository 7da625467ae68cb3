"""Docker's credential helper protocol; `get` is declared here and served beside this app.

Bodies are docker's own: a server key as plain text, or its JSON on store.
"""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from regcred.domain.errors import MalformedRequest, NotFound
from regcred.web.dialects.native.paths import ProjectPath
from regcred.web.dialects.native.wire.pulling import DockerLogin
from regcred.web.json_body import JSON
from regcred.web.routing import Call, StrictRoute, raw_body

router = APIRouter(
    route_class=StrictRoute,
    tags=["docker credential helper"],
    prefix="/v1/projects/{project}/docker-credential",
)

MAX_SERVER = 2048
"""Bytes of a server key, as docker's own helpers take it."""

SERVER_KEY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_SERVER},
                "example": "https://index.docker.io/v1/",
            }
        },
    }
}


@router.post("/get", operation_id="dockerCredentialGet", openapi_extra=SERVER_KEY)
@raw_body
async def get(call: Call, project: ProjectPath) -> Response:  # noqa: ARG001  for the document
    """Answer docker's `get` with its finished JSON; 204: no login, say not found."""
    raise NotFound


@router.get("/list", operation_id="dockerCredentialList", response_model=dict[str, str])
async def list_servers(call: Call, project: ProjectPath) -> Response:
    """List server keys with user names, never a secret."""
    servers = await call.services.docker_helper.list(call.caller, project)
    return Response(orjson.dumps(servers), media_type=JSON)


@router.post("/store", operation_id="dockerCredentialStore", status_code=204)
async def store(call: Call, project: ProjectPath, body: DockerLogin) -> Response:
    """Keep what `docker login` hands over."""
    await call.services.docker_helper.store(
        call.caller, project, body.ServerURL, body.Username, body.Secret
    )
    return Response(status_code=204)


@router.post(
    "/erase", operation_id="dockerCredentialErase", status_code=204, openapi_extra=SERVER_KEY
)
@raw_body
async def erase(call: Call, project: ProjectPath) -> Response:
    """Delete what an earlier store kept."""
    server = _server_key(await call.body())
    await call.services.docker_helper.erase(call.caller, project, server)
    return Response(status_code=204)


def _server_key(body: bytes) -> str:
    if not 1 <= len(body) <= MAX_SERVER or not body.isascii():
        raise MalformedRequest("ServerURL", f"must be 1 to {MAX_SERVER} bytes of ASCII")
    return body.decode().strip()
