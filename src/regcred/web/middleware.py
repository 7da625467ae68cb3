"""What every request passes before anyone looks at it, in raw ASGI so that it costs little.

The guard refuses requests that two readers of the same bytes could take for different ones
(security facts, A55, A58, A59); bodies are bounded in bytes and seconds before the key is
looked at (A60, A61). `Border` applies all of it around a sub-application; the hot path calls the
same functions itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive, Scope

from regcred.domain.errors import MalformedRequest, RegcredError
from regcred.web.refusals import (
    BodyTooLarge,
    BodyTooSlow,
    HeadersTooLarge,
    PathTooLong,
    QueryTooLong,
    UnreadablePath,
)
from regcred.web.started import Started

MAX_BODY = 64 * 1024
"""Bytes."""

BODY_DEADLINE = 15.0
"""Seconds for a whole body."""

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
MAX_PATH = 8 * 1024
"""Bytes as sent: three names of 255 characters, percent-encoded, fit."""

COMMON_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer, besides X-Request-Id."""

# The server's parser also reads HTTP/0.9 requests and versions that do not exist.
_VERSIONS = frozenset({"1.0", "1.1", "2"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,300}\Z")
# Segments of characters that RFC 3986 lets stand in a path, none beginning with a dot.
_PLAIN_PATH = re.compile(rb"(?:/(?!\.)[A-Za-z0-9._~!$&'()*+,=:@-]*)+\Z")
_SEGMENT_CHARACTERS = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*\Z")
_DECODES_TO_FORBIDDEN = re.compile(rb"%(?:2[Ff]|5[Cc]|[01][0-9A-Fa-f]|7[Ff])")


Waiting = Callable[[Scope], AbstractContextManager[None]]
"""Counts a request while its body is waited for. Raises what refuses to."""


class ClientGone(Exception):
    """The client left before its request was whole; nobody waits for an answer."""


def uncounted(_scope: Scope) -> AbstractContextManager[None]:
    """Let anybody's body be waited for."""
    return nullcontext()


def request_id(scope: Scope, new: Callable[[], str]) -> str:
    """Return the client's X-Request-Id if it is a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _REQUEST_ID.match(value) else new()
    return new()


def peer_of(scope: Scope) -> str:
    """Return the address of the other end of the connection, or ""."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def guard(scope: Scope) -> RegcredError | None:
    """Return why this request may not go on, or None. Close the connection on a refusal."""
    if scope.get("http_version", "1.1") not in _VERSIONS:
        return MalformedRequest("version", "must be HTTP/1.1")
    return _guard_headers(scope) or _guard_path(scope)


def is_plain_path(raw: bytes) -> bool:
    """Whether a path, as it was sent, is one that `guard` lets pass and needs no decoding."""
    return len(raw) <= MAX_PATH and _PLAIN_PATH.match(raw) is not None


def has_body(scope: Scope) -> bool:
    """Whether a body follows the headers (RFC 9112, section 6)."""
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


async def read_body(
    receive: Receive,
    limit: int = MAX_BODY,
    deadline: float = BODY_DEADLINE,
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> bytes:
    """Return the whole body; one that is not there with its headers is waited for in `waiting`.

    Raise BodyTooLarge as soon as it is, BodyTooSlow, ClientGone, and what `waiting` raises.
    Close the connection on a refusal: the rest of the body is still to come.
    """
    # Most bodies are there with their headers; a timer for those would cost the hot path more
    # than all of its parsing.
    first = Started(receive())
    if first.done:
        chunk, more = _chunk(await first, limit)
        if not more:
            return chunk
    try:
        with waiting():
            async with asyncio.timeout(deadline):
                return await _rest(first, receive, limit)
    except BodyTooLarge:
        raise BodyTooLarge(limit) from None
    except TimeoutError:
        raise BodyTooSlow(deadline) from None


async def _rest(first: Started[Message], receive: Receive, limit: int) -> bytes:
    chunk, more = _chunk(await first, limit)
    chunks, size = [chunk], len(chunk)
    while more:
        chunk, more = _chunk(await receive(), limit - size)
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _chunk(message: Message, limit: int) -> tuple[bytes, bool]:
    """Return a message's bytes and whether more follow. Raise BodyTooLarge, ClientGone."""
    if message["type"] == "http.disconnect":
        raise ClientGone
    chunk = message.get("body", b"")
    if len(chunk) > limit:
        raise BodyTooLarge(limit)
    return chunk, message.get("more_body", False)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out a body that was read already."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


def _guard_headers(scope: Scope) -> RegcredError | None:
    headers = scope["headers"]
    framing: dict[bytes, list[bytes]] = {
        b"host": [],
        b"content-length": [],
        b"transfer-encoding": [],
        b"upgrade": [],
        b"expect": [],
    }
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if name in framing:
            framing[name].append(value)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        return HeadersTooLarge(MAX_HEADERS, MAX_HEADER_BYTES)
    hosts, lengths, encodings, upgrades, expects = framing.values()
    if len(hosts) != 1:
        return MalformedRequest("Host", "must be sent exactly once")
    if not HOST.match(hosts[0]):
        return MalformedRequest("Host", "must be a host name with an optional port")
    if upgrades and (lengths or encodings):
        # The server's parser takes what follows for the other protocol's, and readers before it
        # for the body.
        return MalformedRequest("Upgrade", "must not stand beside a body")
    if expects and lengths and _is_beyond(MAX_BODY, lengths[0]):
        # Whoever sends it unasked may only read the answer once it is read, so that is counted.
        return BodyTooLarge(MAX_BODY)
    return _guard_framing(lengths, encodings, scope.get("http_version", ""))


def _is_beyond(most: int, length: bytes) -> bool:
    digits = length.lstrip(b"0")
    return digits.isdigit() and (len(digits) > len(str(most)) or int(digits) > most)


def _guard_framing(
    lengths: list[bytes], encodings: list[bytes], version: str
) -> RegcredError | None:
    if len(lengths) > 1:
        return MalformedRequest("Content-Length", "must be sent once")
    if not encodings:
        return None
    if lengths:
        return MalformedRequest("Content-Length", "must not stand beside Transfer-Encoding")
    if version == "1.0":
        return MalformedRequest("Transfer-Encoding", "does not exist in HTTP/1.0")
    if len(encodings) > 1 or encodings[0].lower() != b"chunked":
        return MalformedRequest("Transfer-Encoding", "must be chunked and nothing else")
    return None


def _guard_path(scope: Scope) -> RegcredError | None:
    raw = scope.get("raw_path") or scope["path"].encode()
    if len(raw) > MAX_PATH:
        return PathTooLong(MAX_PATH)
    if len(scope.get("query_string", b"")) > MAX_PATH:
        return QueryTooLong(MAX_PATH)
    if _PLAIN_PATH.match(raw):
        return None
    if not _SEGMENT_CHARACTERS.match(raw):
        return UnreadablePath(
            "must percent-encode everything but letters, digits and ._~!$&'()*+,=:@-"
        )
    if _DECODES_TO_FORBIDDEN.search(raw):
        return UnreadablePath("must not hold an encoded slash, backslash or control character")
    decoded = unquote_to_bytes(raw)
    if not {b".", b".."}.isdisjoint(decoded.split(b"/")):
        return UnreadablePath("must not have . or .. as a segment")
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return UnreadablePath("must be percent-encoded UTF-8")
    return None
