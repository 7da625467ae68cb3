"""A collector of traces that keeps what it is sent, byte for byte."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.tools.programs import LOOPBACK


class Collector:
    """Takes everything, and says that it did."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        """(path, headers and body) of every request, in order."""

        self.url = ""

    @contextlib.contextmanager
    def serving(self) -> Iterator[Collector]:
        """Serve until the block ends."""
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, str(self.headers).encode() + body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
            self.url = f"http://{LOOPBACK}:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
