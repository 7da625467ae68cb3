"""A loopback server that sends the bytes it is given, slowly or over TLS if a test asks."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress


class RawServer:
    """Answers every connection with the same parts, then hangs up, or stays silent."""

    def __init__(
        self,
        *parts: bytes,
        pause: float = 0,
        hang_up: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[bytes] = []
        self._parts: Sequence[bytes] = parts
        self._pause = pause
        self._hang_up = hang_up
        self._tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            # Closing alone would leave the thread inside accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(10)
                if self._tls is None:
                    self._answer(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as secured:
                        self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        self.requests.append(connection.recv(65536))
        for part in self._parts:
            connection.sendall(part)
            if self._over.wait(self._pause):
                return
        if not self._hang_up:
            self._over.wait(30)


def http(
    status: str, body: bytes = b"", *fields: str, media_type: str = "application/json"
) -> bytes:
    """Return a whole answer with its length."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *fields, "", ""]).encode() + body
