"""HTTP to a key service: straight to it, and an answer is bounded in size and in time.

The timeouts of the libraries are of one read: an answer that drips would hold its thread for ever.
And what they find in the environment would take tokens and keys to a proxy that nobody named here.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Timer, local
from typing import Any, Self

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NotConnected
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MAX_ANSWER = 64 * 1024
"""Bytes of a body; what is asked for takes less than one of them in a hundred."""

WHOLE_SECONDS = 8.0
"""Of one request, from its first connection to the end of the answer."""

_in_this_thread = local()


class _Deadline:
    """Ends the connections of one request when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self.over = False
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _in_this_thread.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _in_this_thread.deadline = None
        with self._lock:
            for held in self._sockets:
                held.close()
            self._sockets.clear()

    def holds(self, connection: socket.socket) -> None:
        """Keep a descriptor of its own: TLS takes that of the socket that it is put over."""
        with self._lock:
            self._sockets.append(socket.socket(fileno=socket.dup(connection.fileno())))
            if self.over:
                self._shut()

    def _end(self) -> None:
        with self._lock:
            self.over = True
            self._shut()

    def _shut(self) -> None:
        for held in self._sockets:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)


def _held(connection: socket.socket | None) -> None:
    deadline = getattr(_in_this_thread, "deadline", None)
    if deadline is not None and connection is not None:
        deadline.holds(connection)


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _held(made)
        return made

    def getresponse(self) -> Any:
        _held(self.sock)
        return super().getresponse()


class _Tls(_Plain, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class _Bounded(HTTPAdapter):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def send(self, request: PreparedRequest, *_: Any, **options: Any) -> Response:
        """Send it, and read all of the answer. Raise what requests or urllib3 raises."""
        request.headers["Accept-Encoding"] = "identity"
        options["stream"] = True
        with _Deadline(self._seconds) as deadline:
            response = super().send(request, **options)
            if response.headers.get("Content-Encoding", "identity") != "identity":
                response.close()
                raise NotConnected("an answer in an encoding that was not asked for")
            body = response.raw.read(MAX_ANSWER + 1, decode_content=False)
            if deadline.over or len(body) > MAX_ANSWER:
                response.close()
                raise NotConnected("an answer that takes too long, or is too large")
        response.raw.release_conn()
        response._content, response._content_consumed = body, True  # noqa: SLF001  no other way
        return response


def bound(session: Session, *, seconds: float = WHOLE_SECONDS) -> Session:
    """Have the session go straight to where it is told to, and bound what it is answered."""
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Bounded(seconds))
    return session
