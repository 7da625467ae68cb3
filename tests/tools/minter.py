"""A cloud that mints registry credentials as DigitalOcean's API does. A test tool: insecure.

It keeps every token it was sent, so that tests can ask what reached it and how often.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.tools.programs import LOOPBACK

HOST = "registry.digitalocean.com"
USER = "ada@example.com"
"""Beside an API token stands an e-mail address."""


@dataclass(slots=True)
class Minter:
    """Which tokens are good, how long an answer takes, and what was asked."""

    good: Callable[[str], bool] = lambda _: True
    mint: Callable[[int], str] = lambda number: f"minted-{number}"
    """Makes the password of the n-th credentials."""

    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    """The token of every question."""

    url: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextlib.contextmanager
    def serving(self) -> Iterator[Minter]:
        """Serve on loopback until the block ends."""
        minter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                sent = (self.headers["Authorization"] or "").encode("latin-1").decode()
                token = sent.removeprefix("Bearer ")
                # Decided before it is counted: who waits for a question may change the rule then.
                status, body = minter.answer(self.path, token)
                minter.asked.append(token)
                time.sleep(minter.seconds)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()

    def answer(self, target: str, token: str) -> tuple[int, bytes]:
        """Return status and body of one question."""
        query = parse_qs(urlsplit(target).query)
        if not target.startswith("/v2/regist") or query.get("read_write") != ["false"]:
            return 404, json.dumps({"id": "not_found"}).encode()
        if not self.good(token):
            return 401, json.dumps({"id": "Unauthorized"}).encode()
        login = f"minted:{self.mint(next(self._numbers))}"
        auth = base64.b64encode(login.encode()).decode()
        return 200, json.dumps({"auths": {HOST: {"auth": auth}}}).encode()
