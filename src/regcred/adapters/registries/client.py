"""Drive a handshake over real connections, with every reader bounded.

No redirects, no cookies, no proxies, no netrc: httpcore2's pool knows none of them, and nothing
here adds any. A secret is put on a request only if the request goes to the origin the secret is
for. One deadline covers all of it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Self, TypeVar

import httpcore2

from regcred.adapters.registries.messages import (
    Dialogue,
    Reply,
    Request,
    Unanswered,
    Unreadable,
    UnusableKey,
)
from regcred.adapters.registries.rendering import render
from regcred.adapters.registries.transport import CONNECT_SECONDS, NameUnresolved

_T = TypeVar("_T")

MAX_BODY = 64 * 1024
MAX_HEADERS = 128
MAX_HEADER_BYTES = 64 * 1024
"""What h11 lets pass is more (100 KiB); both bounds stand."""

_MAX_CONTEXTS = 32
_CONNECTING, _SHAKING_HANDS = "connecting", "shaking hands"

MAX_ANSWER = 192 * 1024
"""Of a whole answer as it comes: what is parsed is paid for, and tiny chunks are mostly framing."""

_AT_A_TIME = 8 * 1024
"""Bytes parsed before others have their turn."""

_TOO_LARGE = "An answer is larger than anything in this protocol."
_ENCODED = "An answer is compressed, though none was asked to be."
_NO_HTTP = "What answers does not speak HTTP."


class RegistryClient:
    """Runs handshakes, each on connections of its own."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend, deadline: float = 10.0) -> None:
        """Take the guarded backend, and the seconds that a whole handshake may last."""
        self._backend = backend
        self._deadline = deadline
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._making = asyncio.Lock()

    async def run(self, dialogue: Dialogue[_T], ca_bundle: str | None = None) -> _T:
        """Drive `dialogue` to its end and return what it found. Raise ForeignOrigin."""
        context = await self._context(ca_bundle)
        async with (
            _Opened(self._backend) as opened,
            httpcore2.AsyncConnectionPool(
                ssl_context=context, network_backend=opened, max_connections=4, retries=0
            ) as pool,
        ):
            return await self._drive(dialogue, _Line(pool, opened))

    async def _context(self, ca_bundle: str | None) -> ssl.SSLContext:
        """Return the context for a bundle: those that are asked for often are made once."""
        if (context := self._contexts.get(ca_bundle)) is not None:
            return context
        # Reading the system's certificates takes milliseconds that the loop does not have; and one
        # at a time, or the first checks after a start would each read them.
        async with self._making:
            context = self._contexts.get(ca_bundle)
            if context is None:
                context = await asyncio.to_thread(tls_context, ca_bundle)
                if len(self._contexts) == _MAX_CONTEXTS:
                    del self._contexts[next(iter(self._contexts))]
                self._contexts[ca_bundle] = context
        return context

    async def _drive(self, dialogue: Dialogue[_T], line: _Line) -> _T:
        step = _advance(dialogue, None)
        try:
            async with asyncio.timeout(self._deadline):
                while isinstance(step, Request):
                    step = _advance(dialogue, await line.ask(step))
        except TimeoutError:
            # It may have something to say still, but nothing to ask any more.
            while isinstance(step, Request):
                step = _advance(dialogue, Unanswered(line.cause_of_silence))
        return step


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a verifying context: TLS 1.2 or newer, the system's authorities and the bundle's."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        context.load_verify_locations(cadata=ca_bundle)
    return context


def _advance(dialogue: Dialogue[_T], outcome: Reply | Exception | None) -> Request | _T:
    try:
        if isinstance(outcome, Exception):
            return dialogue.throw(outcome)
        return next(dialogue) if outcome is None else dialogue.send(outcome)
    except StopIteration as end:
        result: _T = end.value
        return result


class _Opened(httpcore2.AsyncNetworkBackend):
    """Closes every connection at the end: a TLS handshake cut short would leave its socket open.

    `phase` says how far the newest one came, "" when it is ready. httpcore2 would tell as well,
    but of ten more things for every request, and that costs more than the request's parsing.
    """

    def __init__(self, inner: httpcore2.AsyncNetworkBackend) -> None:
        self.phase = ""
        self.left = MAX_ANSWER
        """Bytes that the present answer may still bring, with its framing and what precedes it."""

        self._inner = inner
        self._streams: list[httpcore2.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.phase = _CONNECTING
        stream = await self._inner.connect_tcp(
            host,
            port,
            timeout=timeout,
            local_address=local_address,
            socket_options=socket_options,
        )
        self._streams.append(stream)
        self.phase = ""
        return _Watched(stream, self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._streams:
            await stream.aclose()


class _Watched(httpcore2.AsyncNetworkStream):
    """A connection that brings no more than an answer may be."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, opened: _Opened) -> None:
        self._opened = opened
        self._inner = inner
        self.write = inner.write  # type: ignore[method-assign]  # as it is, without a step between
        self.aclose = inner.aclose  # type: ignore[method-assign]  # likewise
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]  # likewise

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
    ) -> bytes:
        """Return what came. Raise Unreadable once that is more than a whole answer may be."""
        came = await self._inner.read(min(max_bytes, _AT_A_TIME), timeout)
        self._opened.left -= len(came)
        if self._opened.left < 0:
            raise Unreadable(_TOO_LARGE)
        return came

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
    ) -> httpcore2.AsyncNetworkStream:
        self._opened.phase = _SHAKING_HANDS
        stream = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        self._opened.phase = ""
        return _Watched(stream, self._opened)


class _Line:
    """One handshake's connections, and why the present request gets no answer."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, opened: _Opened) -> None:
        self._pool = pool
        self._opened = opened

    @property
    def cause_of_silence(self) -> str:
        """Return why nothing came: what never connected looks like what was refused."""
        return "connect" if self._opened.phase == _CONNECTING else "timeout"

    async def ask(self, request: Request) -> Reply | Unanswered | Unreadable | UnusableKey:
        """Send one request and read its whole answer, or say why there is none."""
        self._opened.phase, self._opened.left = "", MAX_ANSWER
        try:
            return await self._exchange(request)
        except (Unreadable, UnusableKey) as failure:
            return failure
        except httpcore2.ProtocolError:
            return Unreadable(_NO_HTTP)
        except (httpcore2.TimeoutException, httpcore2.NetworkError, OSError) as error:
            return Unanswered(self._cause(error))

    def _cause(self, error: Exception) -> str:
        if isinstance(error, NameUnresolved):
            return "dns"
        if isinstance(error, httpcore2.TimeoutException):
            return self.cause_of_silence
        # A broken TLS record after the handshake comes through as the standard library's error.
        shaking_hands = self._opened.phase == _SHAKING_HANDS
        return "tls" if shaking_hands or isinstance(error, ssl.SSLError) else "connect"

    async def _exchange(self, request: Request) -> Reply:
        origin = request.origin
        headers, content = render(request)
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(
                    scheme=origin.scheme, host=origin.host, port=origin.port, target=request.target
                ),
                headers=headers,
                content=content,
                extensions={"timeout": {"connect": CONNECT_SECONDS}},
            )
        )
        try:
            return await _read(request, response)
        finally:
            await response.aclose()


async def _read(request: Request, response: httpcore2.Response) -> Reply:
    raw = response.headers
    if len(raw) > MAX_HEADERS or sum(len(k) + len(v) for k, v in raw) > MAX_HEADER_BYTES:
        raise Unreadable(_TOO_LARGE)
    headers = tuple((k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in raw)
    reply = Reply(response.status, headers)
    if request.status_only:
        return reply
    # The answer to HEAD says how it would be encoded; what it has is an end, which has to be read
    # for the connection to be of further use.
    if request.method != "HEAD" and any(
        value.strip().lower() != "identity" for value in reply.all("content-encoding")
    ):
        raise Unreadable(_ENCODED)
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Unreadable(_TOO_LARGE)
    return Reply(response.status, headers, bytes(body))
