"""One connection to the service that stays open, with one request under way: lean and exact.

The one thing you would get wrong: what a broken connection means. A request that was sent and not
answered may have happened or not; nothing here repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

LOOPBACK = "127.0.0.1"
SECONDS = 30.0
"""How long an answer may take before the connection counts as broken."""


class Broken(Exception):
    """No whole answer came: whether the request had its effect is not known."""


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body's JSON."""
        return json.loads(self.body)


class Asking(Protocol):
    """Whatever takes requests and answers them."""

    key: str

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        request_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer. Raise Broken."""
        ...

    async def close(self) -> None:
        """Let go of whatever it holds."""
        ...


class Client:
    """Speaks to one port with one key. Not to be used by two tasks at once."""

    def __init__(self, port: int, key: str, header: str = "Authorization: Bearer ") -> None:
        self.port = port
        self.key = key
        self._header = header
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        request_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer. Raise Broken."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", f"{self._header}{self.key}"]
        lines += [f"X-Request-Id: {request_id}"] if request_id else []
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
        try:
            async with asyncio.timeout(SECONDS):
                return await self._exchange("\r\n".join([*lines, "", ""]).encode() + content)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            await self.close()
            raise Broken(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self.port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")[:-2]
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return Answer(int(first.split(" ")[1]), headers, body)


async def wait_ready(port: int, *, seconds: float = 60) -> None:
    """Return once the service says that it can serve. Raise TimeoutError."""
    probe = Client(port, "")
    async with asyncio.timeout(seconds):
        while True:
            try:
                if (await probe.ask("GET", "/readyz")).status == HTTPStatus.OK:
                    break
            except Broken:
                pass
            await asyncio.sleep(0.01)
    await probe.close()
