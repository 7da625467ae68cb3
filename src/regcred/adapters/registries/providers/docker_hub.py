"""Docker Hub: one registry under several names, with its token server on a host of its own."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.credential import Draft
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import HUB, HUB_ALIASES


def _check(draft: Draft) -> None:
    elsewhere = [scope for scope in draft.scopes if scope.host != HUB or scope.port is not None]
    if elsewhere or (draft.registry_url is not None and not draft.scopes):
        raise InvalidInput(
            "registry_url", "must be docker.io (or left out) with the provider docker_hub"
        )


def _rejected(username: str) -> str:
    if "@" in username:
        return "Docker Hub takes the Docker ID as user name, not the e-mail address."
    return ""


PROVIDER = Provider(
    slug="docker_hub",
    hosts=tuple(sorted(HUB_ALIASES)),
    registry=HUB,
    endpoints={HUB: "registry-1.docker.io"},
    check=_check,
    help=(
        "Type in your Docker ID (not the e-mail address) and a personal access token with the "
        "permission Read-only, or an organization access token with Image Pull on the "
        "repositories."
    ),
    quirks=Quirks(rejected_note=_rejected),
)
