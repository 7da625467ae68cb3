"""Hand-outs: the logins of a project in the forms that other programs keep.

A 304 hands nothing out. What a form cannot express is left out and named in a header.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.domain.handout import Filled, Form
from regcred.domain.ports import ProjectRef
from regcred.web.conditional import names_tag
from regcred.web.delivery.forms.docker import auth_json, docker_auth_config, dockerconfigjson
from regcred.web.delivery.forms.kubernetes import external_secrets, kubernetes_secret
from regcred.web.delivery.forms.single import argocd, hosts_toml, nomad
from regcred.web.destination import destination
from regcred.web.dialects.native.paths import ProjectPath
from regcred.web.dialects.native.wire.handouts import (
    AuthFile,
    DockerConfig,
    ExternalSecret,
    HandOutQuery,
    SecretManifest,
    SecretQuery,
    headers,
)
from regcred.web.json_body import JSON
from regcred.web.routing import Call, StrictRoute
from regcred.web.times import timestamp

router = APIRouter(route_class=StrictRoute, tags=["hand-outs"], prefix="/v1/projects/{project}")

TEXT, TOML = "text/plain; charset=utf-8", "application/toml"

Asked = Annotated[HandOutQuery, Query()]
AskedSecret = Annotated[SecretQuery, Query()]


def _text(media_type: str) -> dict[int | str, dict[str, Any]]:
    essence = media_type.partition(";")[0]
    return {200: {"content": {essence: {"schema": {"type": "string"}}}}}


@router.get("/dockerconfigjson", operation_id="getDockerConfig", response_model=DockerConfig)
async def get_docker_config(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out a pull secret's `.dockerconfigjson`: the kubelet's keys, Hub in both spellings."""
    return await _handed(call, project, asked, dockerconfigjson, "dockerconfigjson", JSON)


@router.get("/auth.json", operation_id="getAuthFile", response_model=AuthFile)
async def get_auth_file(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out an auth.json for podman, buildah and skopeo, by path where a login is for one."""
    return await _handed(call, project, asked, auth_json, "auth.json", JSON)


@router.get(
    "/docker-auth-config",
    operation_id="getDockerAuthConfig",
    response_class=Response,
    responses=_text(TEXT),
)
async def get_docker_auth_config(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out the value of DOCKER_AUTH_CONFIG: one login for each registry."""
    return await _handed(call, project, asked, docker_auth_config, "docker-auth-config", TEXT)


@router.get("/kubernetes-secret", operation_id="getKubernetesSecret", response_model=SecretManifest)
async def get_kubernetes_secret(call: Call, project: ProjectPath, asked: AskedSecret) -> Response:
    """Hand out a Secret's manifest; for one login the one that kubectl would make."""
    form = kubernetes_secret(asked.name, asked.namespace)
    return await _handed(call, project, asked, form, "kubernetes-secret", JSON)


@router.get("/external-secrets", operation_id="getExternalSecret", response_model=ExternalSecret)
async def get_external_secret(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out a flat object of texts for External Secrets' webhook provider."""
    return await _handed(call, project, asked, external_secrets, "external-secrets", JSON)


@router.get("/argocd", operation_id="getArgoCd", response_class=Response, responses=_text(TEXT))
async def get_argo_cd(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out one login as `user:password`, what Argo CD Image Updater's scripts print."""
    return await _handed(call, project, asked, argocd, "argocd", TEXT)


@router.get("/nomad", operation_id="getNomad", response_class=Response, responses=_text(TEXT))
async def get_nomad(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out one login as the `auth` block of a Nomad task."""
    return await _handed(call, project, asked, nomad, "nomad", TEXT)


@router.get(
    "/hosts.toml", operation_id="getHostsToml", response_class=Response, responses=_text(TOML)
)
async def get_hosts_toml(call: Call, project: ProjectPath, asked: Asked) -> Response:
    """Hand out containerd's hosts.toml for one registry."""
    return await _handed(call, project, asked, hosts_toml, "hosts.toml", TOML)


async def _handed(
    call: Call,
    project: ProjectRef | None,
    asked: HandOutQuery,
    form: Form,
    name: str,
    media_type: str,
) -> Response:
    values = call.headers.getlist("if-none-match")
    if_none_match = ", ".join(values) if values else None

    tag = ""

    def has_already(project_id: str, filled: Filled) -> bool:
        nonlocal tag
        ends = "" if filled.expires_at is None else timestamp(filled.expires_at)
        # Keyed, and of this project alone: else whoever sees the tag could try guesses at a
        # password, as logins of a project of their own.
        digest = call.services.request_digest(
            b"handed out", project_id.encode(), name.encode(), filled.body, ends.encode()
        )
        tag = f'"{digest.hex()}"'
        return names_tag(if_none_match, tag)

    handed = await call.services.hand_out(
        call.caller,
        project,
        asked.asking(*destination(call.scope)),
        form,
        name,
        has_already,
    )
    told = headers(handed.filled, handed.withheld, tag)
    if handed.unchanged:
        return Response(None, 304, told)
    return Response(handed.filled.body, 200, told, media_type)
