"""Whether names resolve from here."""

from __future__ import annotations

import socket
from threading import Thread

_SECONDS = 5
_HUB, _HUB_SERVER = "docker.io", "registry-1.docker.io"


def unresolved(host: str) -> str:
    """Return why a host has no address here, "" when it has one.

    A resolver keeps its own, longer time and cannot be interrupted: it is left behind.
    """
    why = [f"no answer within {_SECONDS} s"]

    def resolve() -> None:
        try:
            socket.getaddrinfo(host, None)
            why[0] = ""
        except (OSError, UnicodeError):
            why[0] = "it does not resolve"

    thread = Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return why[0]


def server_of(registry: str) -> str:
    """Return the host that serves a registry, without its port."""
    if registry == _HUB:
        return _HUB_SERVER
    bracketed = registry.partition("]")[0].removeprefix("[")
    return bracketed if registry.startswith("[") else registry.rpartition(":")[0] or registry
