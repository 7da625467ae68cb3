"""Docker Hub's names, and what docker puts around a registry's."""

from __future__ import annotations

HUB = "docker.io"
"""What image references, the kubelet and podman call it."""

HUB_URL = "https://index.docker.io/v1/"
"""What docker and crane call it."""

REFERENCE_NAMES = {HUB, "index.docker.io"}
"""What an image reference may call it."""

_NAMES = {*REFERENCE_NAMES, "registry-1.docker.io"}
_VERSIONS = {"v1", "v2"}


def bare(name: str) -> str:
    """Return a registry's name, and its path, without the scheme and version that docker writes.

    A path that only looks like a version is one where nothing else is docker's: it stays. Docker
    Hub becomes docker.io.
    """
    schemeless = name.removeprefix("https://")
    host, slash, path = schemeless.partition("/")
    dockers = schemeless != name or host in _NAMES
    if not path.strip("/") or (dockers and path.rstrip("/") in _VERSIONS):
        slash = path = ""
    return f"{HUB if host in _NAMES else host}{slash}{path}"
