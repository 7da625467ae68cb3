"""What one connection may cost: uvicorn's HTTP protocol, with ends to what it waits for.

uvicorn does not limit how long a peer may hold a connection without asking anything, how much it
may send before its headers end, or how long it may leave an answer unread.
All of that comes before any key is looked at, so without a limit one machine stops the service.

It also lets through what two readers could take for different requests and no application can
see any more (security facts, A59). The one thing you would get wrong: when to refuse that. A
refusal written at once would be read as the answer of an earlier request that still runs.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from regcred.bootstrap.cycle import LeanProtocol
from regcred.bootstrap.no_request import refusal, refusing, require_same_host
from regcred.domain.peer import counted_as
from regcred.web.middleware import MAX_HEADERS

_TICKS = 6
_SHORTEST_WAIT = 0.01
_DROP = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time."""

_PIPELINED = 16
"""Requests that wait on a connection for their turn: clients that pipeline send few."""

_UNREAD = 16 * 1024
"""Bytes of answers that wait for a client to read before an application waits too."""

_BAD, _LONG_TARGET, _LONG_HEADERS = 400, 414, 431


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take; times in seconds."""

    per_peer: int
    """Connections of one address, or of one IPv6 network of 64 bits."""

    connections: int
    """Connections of all together."""

    shared: Callable[[str], bool] = lambda _host: False
    """Whether an address stands for many clients, who are counted by their requests instead."""

    header_deadline: float = 15
    """From the connection, the last answer or a request's first byte to the headers' end."""

    drain_deadline: float = 30
    """How long what was answered may wait for the client to read it."""

    header_bytes: int = 65536
    """What may come without headers that end, or any body; up to two reads more are parsed."""

    lull: float = 0.5
    """How long a quiet connection is kept once the service stops: a request may be on its way."""

    @property
    def tick(self) -> float:
        """How often a connection is looked at, which is how late a deadline may be."""
        return min(self.header_deadline, self.drain_deadline) / _TICKS


def configured(app: ASGIApp, limits: Limits, *, keep_alive: int, grace: int) -> uvicorn.Config:
    """Return how uvicorn serves an app here: guarded, and without what it would say by itself.

    `keep_alive` and `grace` are in seconds.
    """
    return uvicorn.Config(
        app,
        http=guarded(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=grace,
    )


def guarded(limits: Limits) -> type[GuardedProtocol]:
    """Return a protocol class of its own count of peers: one for each server."""

    class Guarded(GuardedProtocol):
        bounds = limits
        peers: ClassVar[Counter[str]] = Counter()

    return Guarded


class GuardedProtocol(LeanProtocol):
    """Closes a connection that passes a limit.

    A request costs it two readings of the clock: deadlines are moments that are stored, and one
    timer for each connection looks at them now and then.
    """

    bounds: ClassVar[Limits]
    peers: ClassVar[Counter[str]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url = b""
        self.headers = []
        self._peer = ""
        self._timer: asyncio.TimerHandle | None = None
        self._headers_due = 0.0
        self._without_progress = 0
        self._unread_since: float | None = None
        self._deaf = False
        """What comes is dropped: it has no beginning or end that all would agree on."""

        self._last = False
        """The service stops: the next answer is the connection's last."""

    def connection_made(  # type: ignore[override]  # as uvicorn's own: it serves streams alone
        self, transport: asyncio.Transport
    ) -> None:
        """Take the connection, unless its peer has as many as it may, or all have."""
        peer = _peer(transport)
        crowded = self.peers[peer] >= self.bounds.per_peer and not self.bounds.shared(peer)
        if crowded or len(self.connections) >= self.bounds.connections:
            self.transport = transport
            transport.abort()
            return
        self.peers[peer] += 1
        self._peer = peer
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_UNREAD)
        self._headers_due = self.loop.time() + self.bounds.header_deadline
        self._timer = self.loop.call_later(self.bounds.tick, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.peers[self._peer] -= 1
            if not self.peers[self._peer]:
                del self.peers[self._peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse it when there is much of it and it leads nowhere."""
        if self._deaf:
            return
        self._without_progress += len(data)
        super().data_received(data)
        if self._without_progress > self.bounds.header_bytes and not self._deaf:
            self._refuse(self._what_is_long())

    def on_message_begin(self) -> None:
        """Start the time for the headers; the first request's runs since the connection."""
        super().on_message_begin()
        if self.cycle is not None:
            self._headers_due = self.loop.time() + self.bounds.header_deadline

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, and one more than may be, which has the request refused in its turn.

        Small ones cost twenty times what it takes to send them.
        """
        if len(self.headers) > MAX_HEADERS:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Count from here. Raise ValueError for one too many, or one for something else than us."""
        self._without_progress = 0
        if len(self.pipeline) >= _PIPELINED:
            # One read holds thousands, and each costs a hundred times what it takes to send.
            raise ValueError("too many requests wait for their turn")
        if not self.url.startswith(b"/") or b"#" in self.url:
            require_same_host(self.url, self.headers)
        super().on_headers_complete()
        # What stands after the body is no header: the key, the host and who forwarded were
        # looked at before it came, or will be after (RFC 9110, section 6.5.1).
        self.headers = []
        self.url = b""
        if self._last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Count from here: chunk extensions and trailers are limited as headers are."""
        self._without_progress = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Start the time for the next request's headers.

        uvicorn's keep-alive timer ends at any byte, also at one that begins no request.
        """
        allowed = max(self.bounds.header_deadline, self.timeout_keep_alive)
        self._headers_due = self.loop.time() + allowed
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed."""
        self._refuse(_BAD)

    def shutdown(self) -> None:
        """Answer what is asked, or is on its way, and close."""
        self._last = True
        if _is_running(self.cycle):
            self.cycle.keep_alive = False
        elif self._timer is not None and not self._without_progress:
            self._headers_due = min(self._headers_due, self.loop.time() + self.bounds.lull)
            self._timer.cancel()
            self._timer = self.loop.call_later(self.bounds.lull, self._look)

    def resume_writing(self) -> None:
        """Note that the client reads."""
        self._unread_since = None
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Answer as if no other protocol was asked for (RFC 9110, section 7.8), and no more.

        The parser leaves out whatever came with the headers, so what comes next may be the middle
        of something.
        """
        self._deaf = True
        self.cycle.keep_alive = False

    def _refuse(self, status: int) -> None:
        """Say that what came is no request, in its turn, and close: its end cannot be known."""
        self._deaf = True
        newest: RequestResponseCycle | None = self.cycle
        its_own = newest is not None and newest.more_body
        if newest is not None and self.pipeline and its_own:
            self.pipeline[0] = (newest, refusing(status))
        elif newest is not None and _is_running(newest) and not its_own:
            newest.keep_alive = False
        else:
            if not (newest is not None and its_own and newest.response_started):
                self.transport.write(refusal(status))
            self.transport.close()

    def _reset(self) -> None:
        """End it although the client does not read: what waits for it is dropped here too.

        Closing would wait for the client, and after an end without a reset the system would.
        """
        line = self.transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
        self.transport.abort()

    def _what_is_long(self) -> int:
        if self.headers:
            return _LONG_HEADERS
        return _LONG_TARGET if self.url else _BAD

    def _look(self) -> None:
        """Close a connection whose time is over; otherwise look again later."""
        now = self.loop.time()
        wait = self.bounds.tick
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since >= self.bounds.drain_deadline:
            self._reset()
        if not _is_running(self.cycle):
            if now >= self._headers_due:
                self.transport.close()
            else:
                wait = min(wait, max(self._headers_due - now, _SHORTEST_WAIT))
        self._timer = self.loop.call_later(wait, self._look)


def _is_running(newest: RequestResponseCycle | None) -> bool:
    """Whether a request is being answered; uvicorn's types do not say that there may be none."""
    return newest is not None and not newest.response_complete


def _peer(transport: asyncio.Transport) -> str:
    """Return what a peer is counted as."""
    name = transport.get_extra_info("peername")
    return counted_as(str(name[0]) if name else "")
