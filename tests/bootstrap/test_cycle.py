"""What goes over the wire is what uvicorn's own protocol says, byte for byte, conversation by
conversation: the same bytes go to both, over a transport that keeps what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from regcred.bootstrap.cycle import LeanProtocol

TURNS = 50
"""Of the event loop: more than any conversation here takes."""


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.writes = 0
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 5), "sockname": ("192.0.2.2", 80)}.get(name, default)

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data
        self.writes += 1

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


Receive = Callable[[], Any]
Send = Callable[[Any], Any]


async def app(scope: Any, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/fails":
        raise RuntimeError("before an answer")
    if path != "/silent":
        await _answer(path, await _heard(scope, receive), send)


async def _heard(scope: Any, receive: Receive) -> bytes:
    told = {k: v for k, v in scope.items() if k not in ("asgi", "state", "headers", "server")}
    heard = repr(sorted(told.items())).encode()
    more = scope["path"] == "/read"
    while more:
        message = await receive()
        heard, more = heard + message.get("body", b"") + b"|", message.get("more_body", False)
    if scope["path"] == "/waits-for-the-end":
        heard += (await receive())["type"].encode()
    return heard


async def _answer(path: str, body: bytes, send: Send) -> None:
    length = {"/short": len(body) + 1, "/long": len(body) - 1}.get(path, len(body))
    headers = {
        "/unmeasured": [],
        "/nothing": [],
        "/closes": [(b"connection", b"close")],
        "/splits": [(b"x", b"1\r\nset-cookie: a")],
    }.get(path, [(b"Content-Length", b"%d" % length)])
    status, body = (204, b"") if path == "/nothing" else (200, body)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if path == "/fails-later":
        raise RuntimeError("after its head")
    if path == "/unmeasured":
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
    await send({"type": "http.response.body", "body": body})
    if path == "/twice":
        await send({"type": "http.response.body", "body": body})


async def _said(kind: type[HttpToolsProtocol], pieces: tuple[bytes, ...]) -> Wire:
    config = uvicorn.Config(
        app, http=kind, ws="none", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    state = ServerState()
    protocol = kind(config=config, server_state=state, app_state={})
    wire = Wire()
    protocol.connection_made(wire)  # type: ignore[arg-type]  # as much of a transport as it uses
    for piece in pieces:
        if not wire.closed:
            protocol.data_received(piece)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert not state.tasks
    return wire


def _get(path: str, version: str = "1.1", more: str = "") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: a\r\n{more}\r\n".encode()


def _post(path: str, body: bytes, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode()
        + body
    )


CHUNKED = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

CONVERSATIONS: dict[str, tuple[bytes, ...]] = {
    "a question": (_get("/"),),
    "a query": (_get("/a?b=c?d"),),
    "an encoded path": (_get("/%C3%A4%2F/b"),),
    "a whole URL": (_get("http://a/b?c"),),
    "a URL without a path": (_get("http://a"),),
    "a fragment": (_get("/a?b#c"),),
    "HTTP/1.0": (_get("/", "1.0"),),
    "HTTP/1.0 kept alive": (_get("/", "1.0", "Connection: keep-alive\r\n"),),
    "the client's last": (_get("/", more="Connection: close\r\n"), _get("/")),
    "the application's last": (_get("/closes"), _get("/")),
    "one after the other": (_get("/a"), _get("/b")),
    "pipelined": (_get("/a") + _post("/read", b"x") + _get("/c"),),
    "pipelined behind a body": (_post("/read", b"ab")[:-1], b"b" + _get("/b")),
    "a body": (_post("/read", b"abc"),),
    "a body in parts": (_post("/read", b"abc")[:-2], b"b", b"c"),
    "an empty body": (_post("/read", b""),),
    "a body nobody reads": (_post("/", b"abc"), _get("/b")),
    "chunks": (CHUNKED + b"3\r\nabc\r\n", b"1\r\nd\r\n0\r\n\r\n"),
    "a body that is waited for": (_post("/read", b"abc", "Expect: 100-continue\r\n"),),
    "HEAD": (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",),
    "HEAD without a length": (b"HEAD /unmeasured HTTP/1.1\r\nHost: a\r\n\r\n",),
    "an answer in chunks": (_get("/unmeasured"),),
    "an answer without a body": (_get("/nothing"),),
    "an application that fails": (_get("/fails"), _get("/")),
    "an application that says nothing": (_get("/silent"), _get("/")),
    "an application that says too much": (_get("/twice"), _get("/")),
    "a client that leaves": (_get("/waits-for-the-end"),),
    "a client that leaves in its body": (_post("/read", b"abc")[:-1],),
    "another protocol": (_get("/", more="Connection: upgrade\r\nUpgrade: websocket\r\n"),),
    "no request": (b"\x16\x03\x01\r\n\r\n",),
}


@pytest.mark.parametrize("pieces", CONVERSATIONS.values(), ids=CONVERSATIONS)
async def test_a_conversation_is_uvicorns(pieces: tuple[bytes, ...]) -> None:
    theirs = await _said(HttpToolsProtocol, pieces)
    ours = await _said(LeanProtocol, pieces)

    assert (ours.written, ours.closed) == (theirs.written, theirs.closed)


async def test_an_answer_is_one_write() -> None:
    assert (await _said(LeanProtocol, (_get("/"),))).writes == 1


@pytest.mark.parametrize("path", ["/splits", "/short", "/long", "/fails-later"])
async def test_of_an_answer_that_is_wrong_nothing_is_said_that_was_not_meant(path: str) -> None:
    wire = await _said(LeanProtocol, (_get(path),))

    assert wire.closed
    assert b"set-cookie" not in wire.written
