"""Requests that two readers could split differently, sent as bytes to a real server."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from regcred.web.border import Border
from regcred.web.dialects.native.problems import render

_DEADLINE = 10.0


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Say which method and path were understood, and how long the body was."""
    message = await receive()
    said = f"{scope['method']} {scope['path']} {len(message['body'])}".encode()
    headers = [(b"content-length", str(len(said)).encode()), (b"x-understood", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"] = {"request_id": "x"}
    await Border(_echo, render)(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The border behind the server that serves it, on loopback."""
    config = uvicorn.Config(
        _app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, date_header=False, timeout_keep_alive=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(_DEADLINE)


def _talk(port: int, sent: bytes) -> bytes:
    """Return everything the server says until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
    return said


def _statuses(said: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", said)]


HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = b"POST /a HTTP/1.1\r\nHost: x\r\n"
_CHUNKS = b"0\r\n\r\n"

AMBIGUOUS: dict[str, bytes] = {
    "CL.TE": _POST
    + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _CHUNKS
    + b"G"
    + HIDDEN,
    "TE.CL": _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + _CHUNKS + HIDDEN,
    "CL and TE agreeing": _POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _CHUNKS,
    "two lengths": _POST + b"Content-Length: 0\r\nContent-Length: 35\r\n\r\n" + HIDDEN,
    "two equal lengths": _POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na" + HIDDEN,
    "length list": _POST + b"Content-Length: 0, 35\r\n\r\n" + HIDDEN,
    "length plus": _POST + b"Content-Length: +1\r\n\r\na" + HIDDEN,
    "length minus": _POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "length hexadecimal": _POST + b"Content-Length: 0x1\r\n\r\na" + HIDDEN,
    "length with underscore": _POST + b"Content-Length: 1_0\r\n\r\n" + b"a" * 10 + HIDDEN,
    "length too large": _POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + HIDDEN,
    "length with space": _POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
    "TE twice": _POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"
    + _CHUNKS
    + HIDDEN,
    "TE twice chunked": _POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _CHUNKS
    + HIDDEN,
    "TE list": _POST + b"Transfer-Encoding: identity, chunked\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE chunked not last": _POST
    + b"Transfer-Encoding: chunked, identity\r\n\r\n"
    + _CHUNKS
    + HIDDEN,
    "TE unknown": _POST + b"Transfer-Encoding: xchunked\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE gzip": _POST + b"Transfer-Encoding: gzip\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE quoted": _POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + _CHUNKS + HIDDEN,
    "TE with space": _POST + b"Transfer-Encoding : chunked\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE vertical tab": _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE folded": _POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE with NUL": _POST + b"Transfer-Encoding: chunked\x00\r\n\r\n" + _CHUNKS + HIDDEN,
    "TE on 1.0": b"POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _CHUNKS
    + HIDDEN,
    "chunk size with prefix": _POST
    + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"
    + HIDDEN,
    "chunk size negative": _POST
    + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "chunk size overflow": _POST
    + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na\r\n"
    + HIDDEN,
    "chunk without end": _POST
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"
    + HIDDEN,
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "no host on 1.0": b"GET /a HTTP/1.0\r\n\r\n",
    "two hosts": b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "two equal hosts": b"GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "empty host": b"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
    "host with path": b"GET /a HTTP/1.1\r\nHost: x/../y\r\n\r\n",
    "host with user": b"GET /a HTTP/1.1\r\nHost: u@x\r\n\r\n",
    "host with space": b"GET /a HTTP/1.1\r\nHost: x y\r\n\r\n",
    "folded header": b"GET /a HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
    "space in name": b"GET /a HTTP/1.1\r\nHost: x\r\nX A: 1\r\n\r\n",
    "NUL in name": b"GET /a HTTP/1.1\r\nHost: x\r\nX\x00A: 1\r\n\r\n",
    "NUL in value": b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1\x00\r\n\r\n",
    "bare CR in value": b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1\rX-B: 2\r\n\r\n",
    "header without colon": b"GET /a HTTP/1.1\r\nHost: x\r\nX-A\r\n\r\n",
    "leading space header": b"GET /a HTTP/1.1\r\n Host: x\r\n\r\n",
    "no version": b"GET /a\r\nHost: x\r\n\r\n",
    "version 2.0": b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
    "version 1.10": b"GET /a HTTP/1.10\r\nHost: x\r\n\r\n",
    "lower case version": b"GET /a http/1.1\r\nHost: x\r\n\r\n",
    "encoded slash": b"GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n",
    "dot segments": b"GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n",
    "encoded dot segments": b"GET /a/%2e%2e/b HTTP/1.1\r\nHost: x\r\n\r\n",
    "backslash": b"GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw non-ASCII path": b"GET /a\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in path": b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad escape": b"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "101 headers": b"GET /a HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 100 + b"\r\n",
    "40 KiB of headers": b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n",
    "long path": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "large body": _POST + b"Content-Length: 65537\r\n\r\n" + b"a" * 65537,
    "large chunked body": _POST
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + (b"2000\r\n" + b"a" * 8192 + b"\r\n") * 9
    + _CHUNKS,
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_request_is_not_understood_and_ends_the_connection(
    port: int, sent: bytes
) -> None:
    said = _talk(port, sent)

    assert b"x-understood" not in said
    assert b"/hidden" not in said
    assert all(400 <= status < 500 for status in _statuses(said)), said
    assert len(_statuses(said)) <= 1


PLAIN: dict[str, tuple[bytes, list[bytes]]] = {
    "two requests": (HIDDEN * 2, [b"GET /hidden 0"] * 2),
    "a length": (
        _POST + b"Content-Length: 3\r\n\r\nabc" + HIDDEN,
        [b"POST /a 3", b"GET /hidden 0"],
    ),
    "chunks": (
        _POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" + HIDDEN,
        [b"POST /a 3", b"GET /hidden 0"],
    ),
    "HTTP/1.0 with a host": (b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", [b"GET /a 0"]),
    "a body at the limit": (
        _POST + b"Content-Length: 65536\r\n\r\n" + b"a" * 65536,
        [b"POST /a 65536"],
    ),
}


@pytest.mark.parametrize(("sent", "understood"), PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_request_is_understood(port: int, sent: bytes, understood: list[bytes]) -> None:
    said = _talk(port, sent)

    assert re.findall(rb"(?:GET|POST) /\w+ \d+", said) == understood
