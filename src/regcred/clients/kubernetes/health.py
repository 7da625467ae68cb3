"""Whether a loop is alive and has begun, for the kubelet's probes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STUCK_AFTER = 180.0
"""Seconds without a step after which a loop is taken for stuck; no request takes as long."""

_SECONDS = 5
_POLL = 0.1


class Health:
    """Steps of a loop, told from its thread and asked about from others."""

    def __init__(
        self, steady: Callable[[], float], trouble: Callable[[], str] = lambda: ""
    ) -> None:
        self._steady = steady
        self._trouble = trouble
        self._last = steady()
        self._begun = False

    def step(self, *, waiting: bool) -> None:
        """Note that the loop goes on. Who waits has looked once, or knows that another does."""
        self._last = self._steady()
        self._begun = self._begun or waiting

    def status(self, path: str) -> int:
        """Return the status with which a probe is answered."""
        if path not in {"/livez", "/readyz"}:
            return 404
        alive = self._steady() - self._last < STUCK_AFTER
        ready = self._begun and not self._trouble()
        return 200 if alive and (ready or path == "/livez") else 503


@contextmanager
def listening(health: Health, host: str, port: int) -> Iterator[int]:
    """Answer probes until the block ends; yield the port. Raise OSError before it begins."""

    class Probe(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_GET(self) -> None:
            self.send_response(health.status(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its signature
            """Stay quiet: a probe is nothing to tell."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, port), Probe)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,), name="probes")
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
