"""Sockets that the service listens on."""

from __future__ import annotations

import socket

from regcred.domain.errors import StartRefused

_SENDS = 64 * 1024
"""Bytes; Linux doubles it for its own records."""


def listen(host: str, port: int, *, option: str = "") -> socket.socket:
    """Return a socket bound to an address. Raise StartRefused, which names the `option`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What is accepted has it too. The system would keep up to 4 MiB for each client that does not
    # read, and a few hundred of those use up what all of the machine's connections share.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENDS)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StartRefused(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            + (f"Choose another {option}" if option else "Choose another --host or --port")
        ) from None
    listening.setblocking(False)
    return listening


def authority(listening: socket.socket) -> str:
    """Return `host:port` as a URL has it."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
