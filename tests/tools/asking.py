"""A registry and helpers that write down who asked them what, to see what a client really does."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SCRIPTS = {
    "knows": 'echo \'{"ServerURL": "x", "Username": "helper", "Secret": "s"}\'',
    "empty": "echo 'credentials not found in native keychain'; exit 1",
    "fails": "echo 'no such thing'; exit 1",
    "locked": "exit 1",
}


class AskedRegistry:
    """Wants a login by Basic authentication, and has no image. `users` are the logins it saw."""

    def __init__(self) -> None:
        self.users: list[str] = []
        """The user of each request, "" of one without a login."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.users))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[AskedRegistry]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class AskedHelpers:
    """Helpers in a folder for the PATH: knows, empty, fails, and locked, which nobody may run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._log = folder / "asked"
        for name, ends in _SCRIPTS.items():
            script = folder / f"docker-credential-{name}"
            script.write_text(
                f'#!/bin/sh\nread -r key\necho "{name} $1 $key" >>{self._log}\n{ends}\n'
            )
            script.chmod(0o644 if name == "locked" else 0o755)

    def take(self) -> list[tuple[str, str]]:
        """Return (helper, key) of each question since the last time, repeated ones once."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        asked = [tuple(line.split(" ")) for line in lines]
        return list(dict.fromkeys((name, key) for name, verb, key in asked if verb == "get"))


def _handler(users: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # docker tries TLS first, and takes no for an answer only in HTTP/1.x.
        default_request_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, _, value = self.headers.get("Authorization", "").partition(" ")
            user = b64decode(value).decode().partition(":")[0] if kind == "Basic" else kind
            users.append(user)
            self.send_response(404 if user else 401)
            if not user:
                self.send_header("WWW-Authenticate", 'Basic realm="asked"')
            # Without it docker 20.10 takes what answers for a registry of the first version.
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815  inherited name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  inherited name
            """Say nothing."""

    return Handler
