"""uvicorn's HTTP protocol on httptools, with less work for each request.

What uvicorn keeps for settings that are off here, for headers that others write, and for an end of
idle connections that `GuardedProtocol` sees to, costs as much as a whole resolve. What goes over
the wire is uvicorn's, but for one thing: an answer's head leaves with the first of its body, in
one write (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

Headers = tuple[tuple[bytes, bytes], ...]

_BODILESS = (204, 304)
_HEAD = "HEAD"
_LAST = b"connection: close\r\n"
_WHOLE = b"%bx-request-id: %b\r\ncontent-length: %d\r\n%b\r\n%b"

# What may stand in a header's value: everything but the control characters without the tab
# (RFC 9110, section 5.5).
_PLAIN = bytes({9, *range(32, 127), *range(128, 256)})


class LeanProtocol(HttpToolsProtocol):
    """Serves without a root path, websockets, an access log or uvicorn's own limit of requests.

    Nothing here ends an idle connection.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take = getattr(self.app, "take", None)
        self._begun: Cycle | None = None
        """What is not started yet, because the rest of it may be there already."""

    def data_received(self, data: bytes) -> None:
        """Parse what came, and start a request of which more is to come."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade:
            self._unsupported_upgrade_warning()
        if self._begun is not None:
            cycle, self._begun = self._begun, None
            self._start_asgi_task(cycle, self.app)

    def on_body(self, body: bytes) -> None:
        """Keep some of a body until it is asked for."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_headers_complete(self) -> None:
        """Begin the request, or let it wait for the one before it on its connection."""
        scope, parser, url = self.scope, self.parser, self.url
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        path, query = _target(url)
        scope["raw_path"] = path
        scope["path"] = _decoded(path)
        scope["query_string"] = query
        existing: RequestResponseCycle | None = self.cycle
        keep_alive = version != "1.0" and parser.should_keep_alive()
        self.cycle = cycle = Cycle(self, keep_alive=keep_alive)
        if existing is None or existing.response_complete:
            self._begun = cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_message_complete(self) -> None:
        """Start the request, which is there whole."""
        if self.cycle.response_complete:
            return
        self.cycle.more_body = False
        self.cycle.message_event.set()
        if self._begun is not None:
            cycle, self._begun = self._begun, None
            if not self._taken(cycle):
                self._start_asgi_task(cycle, self.app)

    def _taken(self, cycle: Cycle) -> bool:
        """Whether the application answers without a conversation; see `regcred.web.fast`."""
        if self._take is None or cycle.waiting_for_100_continue or self.flow.write_paused:
            return False
        go_on = partial(self._start_asgi_task, cycle)
        taken: bool = self._take(cycle.scope, bytes(cycle.body), cycle.reply, go_on)
        return taken

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # The task takes itself out of the set: a callback would be a turn of the loop more.
        self.tasks.add(self.loop.create_task(cycle.run_asgi(app)))

    def on_response_complete(self) -> None:
        """Go on with the request that waits, if one does."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())


class Cycle(RequestResponseCycle):
    """One request and its answer."""

    def __init__(self, protocol: LeanProtocol, *, keep_alive: bool) -> None:
        self.scope = protocol.scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.message_event = _NOBODY_WAITS
        self.tasks = protocol.tasks
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.body = bytearray()
        self.more_body = True
        self.ended = False
        """The application has the end of the body."""

        self.head = b""
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0

    async def run_asgi(self, app: Any) -> None:
        """Run the application, and answer for it if it does not."""
        try:
            await super().run_asgi(app)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self.tasks.discard(task)

    async def receive(self) -> Any:
        """Return what has come of the body, once something has."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self.flow.resume_reading()
            if not self.body and (self.more_body or self.ended):
                self.message_event = asyncio.Event()
                await self.message_event.wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        self.ended = not self.more_body
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def reply(self, status: int, headers: Headers, request_id: bytes, body: bytes) -> None:
        """Write a whole answer, if the client is there still."""
        if self.disconnected:
            return
        head = _head(status, (*self.default_headers, *headers))
        last = b"" if self.keep_alive else _LAST
        self.response_started = True
        self.transport.write(_WHOLE % (head, request_id, len(body), last, body))
        self._end()

    async def send(self, message: Any) -> None:
        """Take the answer's head, then write it with what there is of its body."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._start(message)
        elif not self.response_complete:
            self._write(message)
        else:
            raise RuntimeError(f"{message['type']} was sent after the answer's end")

    def _start(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"an answer began with {message['type']}")
        self.response_started = True
        self.waiting_for_100_continue = False
        status: int = message["status"]
        headers = [*self.default_headers, *message.get("headers", ())]
        parts: list[bytes] = []
        closes = False
        for written, value in headers:
            name = written.lower()
            parts += (name, b": ", value, b"\r\n")
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                closes = True
        lines = b"".join(parts)
        # A line break in a value would begin another header, or the body.
        if lines.translate(None, _PLAIN) != b"\r\n" * len(headers):
            raise RuntimeError("a header holds a control character")
        if not (self.keep_alive or closes):
            lines += _LAST
        if (
            self.chunked_encoding is None
            and status not in _BODILESS
            and self.scope["method"] != _HEAD
        ):
            self.chunked_encoding = True
            lines += b"transfer-encoding: chunked\r\n"
        self.head = b"%b%b\r\n" % (STATUS_LINE[status], lines)

    def _write(self, message: Any) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"an answer went on with {message['type']}")
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self.scope["method"] == _HEAD:
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("an answer is longer than its Content-Length")
        self.transport.write(self.head + body)
        self.head = b""
        if not more:
            self._end()

    def _end(self) -> None:
        if self.expected_content_length != 0:
            raise RuntimeError("an answer is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class _NobodyWaits(asyncio.Event):
    """The event of requests whose body is there before anybody asks for it."""

    def set(self) -> None:
        """Wake nobody."""


_NOBODY_WAITS = _NobodyWaits()


@lru_cache(maxsize=64)
def _head(status: int, headers: Headers) -> bytes:
    """Return the beginning of a whole answer."""
    return STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % header for header in headers)


def _target(url: bytes) -> tuple[bytes, bytes]:
    """Return a request target's path and query (RFC 9112, section 3.2)."""
    if url.startswith(b"/") and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path, parsed.query or b""


def _decoded(path: bytes) -> str:
    text = path.decode("ascii")
    return unquote(text) if "%" in text else text
