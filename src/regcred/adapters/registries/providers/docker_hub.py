"""Docker Hub: one registry under several names, with its token server on a host of its own."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.registry import HUB, HUB_ALIASES


def _rejected(username: str) -> str:
    if "@" in username:
        return "Docker Hub takes the Docker ID as user name, not the e-mail address."
    return ""


PROVIDER = Provider(
    slug="docker_hub",
    title="Docker Hub",
    hosts=tuple(sorted(HUB_ALIASES)),
    registries=(HUB,),
    endpoints={HUB: "registry-1.docker.io"},
    help=(
        "Type in your Docker ID (not the e-mail address) and a personal access token with the "
        "permission Read-only, or an organization access token with Image Pull on the "
        "repositories."
    ),
    lifetime="Until the token is deleted, or its own date.",
    link="https://docs.docker.com/security/access-tokens/",
    quirks=Quirks(rejected_note=_rejected),
)
