"""Clients that hold connections: they send nothing, or drip, or do not read what they asked for."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Self

_PAUSE = 1.0
"""Seconds between two drops of one connection."""

_LOOK = 0.1
_CONNECT = 20.0
_SMALL = 4096
"""Bytes of a receiving buffer: what the client does not read stays with the server."""


@dataclass(frozen=True)
class Kind:
    """How one of them behaves."""

    start: bytes
    drop: bytes
    """What is sent every second; nothing if empty."""


def kinds(large: str) -> Mapping[str, Kind]:
    """Return the four; `large` is a path whose answer is long, and needs no key."""
    asked = f"GET {large} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    return MappingProxyType(
        {
            "idle": Kind(b"", b""),
            "header": Kind(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ", b"a"),
            "body": Kind(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n", b"a"),
            "slow read": Kind(asked * 16, b""),
        }
    )


class SlowClients:
    """Many of one kind, opened together and watched until the server closes them."""

    def __init__(self, address: tuple[str, int], kind: Kind, count: int) -> None:
        self._address = address
        self._kind = kind
        self._count = count
        self._opened: dict[int, tuple[socket.socket, float]] = {}
        self._closed: list[float] = []
        self._poll = select.epoll()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Open all of them."""
        for _ in range(self._count):
            line = socket.socket()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
            line.settimeout(_CONNECT)
            line.connect(self._address)
            line.setblocking(False)
            self._opened[line.fileno()] = (line, time.monotonic())
            # What is not read hides the end, but not a reset.
            self._poll.register(line, select.EPOLLRDHUP)
            self._send(line, self._kind.start)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what is left."""
        self._over.set()
        self._thread.join()
        for line, _ in list(self._opened.values()):
            line.close()
        self._poll.close()

    @property
    def held(self) -> int:
        """How many the server has not closed."""
        return len(self._opened)

    def lives(self, seconds: float) -> Sequence[float]:
        """Wait until all are closed, or so long; return how long each lasted that was closed."""
        until = time.monotonic() + seconds
        while self._opened and time.monotonic() < until:
            time.sleep(_LOOK)
        return list(self._closed)

    def _run(self) -> None:
        due = time.monotonic() + _PAUSE
        while not self._over.is_set():
            for number, _ in self._poll.poll(_LOOK):
                self._end(number)
            if self._kind.drop and time.monotonic() >= due:
                due += _PAUSE
                for line, _ in list(self._opened.values()):
                    self._send(line, self._kind.drop)

    def _send(self, line: socket.socket, data: bytes) -> None:
        try:
            line.send(data)
        except BlockingIOError:
            return
        except OSError:
            self._end(line.fileno())

    def _end(self, number: int) -> None:
        line, began = self._opened.pop(number, (None, 0.0))
        if line is not None:
            self._closed.append(time.monotonic() - began)
            self._poll.unregister(line)
            line.close()
