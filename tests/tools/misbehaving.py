"""A registry that does what no registry should, on loopback, with the stranger it leads to.

For tests, and for people who write clients of registries (docs/misbehaving-registry.md). It keeps
no secret: of every request it notes that a login or token came, never which. Insecure by intent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trustme

LOOPBACK = "127.0.0.1"
_MAX_REQUEST = 64 * 1024
_LOGINS = (b"password=", b"refresh_token=")
_LONG_AGO, _AGO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `with_login` says whether a password or token came along."""

    method: str
    target: str
    with_login: bool


@dataclass(slots=True)
class Origin:
    """One host and port, and what it was asked."""

    port: int = 0
    scheme: str = "http"
    name: str = LOOPBACK
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def authority(self) -> str:
        return f"{self.name}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def logins(self) -> int:
        """How many requests carried a login or a token."""
        return sum(one.with_login for one in self.asked)


@dataclass(slots=True)
class Town:
    """The registry, the stranger it may lead to, and what answers there."""

    registry: Origin = field(default_factory=Origin)
    stranger: Origin = field(default_factory=Origin)
    turns: Iterator[str] = field(default_factory=lambda: iter(()))
    """What a behaviour with several variants says next."""


Answer = Callable[[Asked, Town, asyncio.StreamWriter], Awaitable[None]]
"""Writes an answer to one request of the registry, in whichever way."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """How a TLS behaviour's certificate is wrong. The authority's own is `Served.authority`."""

    names: tuple[str, ...] = ("localhost", LOOPBACK)
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to misbehave, and what a check of a login there should say."""

    name: str
    does: str
    """What it does, in one sentence."""

    verdict: str
    answer: Answer
    cause: str = ""
    """The cause, if the verdict is `unreachable`."""

    certificate: Certificate | None = None
    variants: Callable[[Town], tuple[str, ...]] | None = None
    greets: bytes = b""
    """What it says before it was asked anything."""

    may_see_login: bool = False
    """Whether the registry itself may be sent the login before it misbehaves."""


@dataclass(frozen=True, slots=True)
class Served:
    """A behaviour under way. `authority` is the certificate to trust, in PEM, if there is TLS."""

    town: Town
    authority: str = ""


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour, port: int = 0) -> AsyncIterator[Served]:
    """Serve it on loopback until the block ends: the registry at `port`, the stranger anywhere."""
    town = Town()
    authority, context = _tls(behaviour.certificate)
    town.registry.scheme = "https" if context else "http"
    tasks: set[asyncio.Task[None]] = set()
    registry = await asyncio.start_server(
        _connected(town.registry, tasks, town, behaviour), LOOPBACK, port, ssl=context
    )
    stranger = await asyncio.start_server(_connected(town.stranger, tasks), LOOPBACK, 0)
    town.registry.port = registry.sockets[0].getsockname()[1]
    town.stranger.port = stranger.sockets[0].getsockname()[1]
    if behaviour.variants is not None:
        town.turns = _round(behaviour.variants(town))
    try:
        yield Served(town, authority)
    finally:
        for server in (registry, stranger):
            server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _round(variants: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from variants


_Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _connected(
    origin: Origin,
    tasks: set[asyncio.Task[None]],
    town: Town | None = None,
    behaviour: Behaviour | None = None,
) -> _Connected:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        origin.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            if behaviour is not None and behaviour.greets:
                writer.write(behaviour.greets)
                await writer.drain()
            while (asked := await _read(reader)) is not None:
                origin.asked.append(asked)
                if town is None or behaviour is None:
                    # The stranger is friendly to whoever was led astray.
                    writer.write(answer(200, body=b'{"token": "made-up-by-a-stranger"}'))
                else:
                    await behaviour.answer(asked, town, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            # The end of the block, not of this task's caller.
            pass
        finally:
            writer.close()
            tasks.discard(task)

    return connected


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    """Read one whole request within a bound; None for what is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3:
        return None
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (one.partition(b":") for one in rest.split(b"\r\n") if one)
    }
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > _MAX_REQUEST:
        return None
    body = await reader.readexactly(int(length))
    with_login = b"authorization" in headers or any(one in body for one in _LOGINS)
    return Asked(words[0], words[1], with_login)


def answer(status: int, *headers: tuple[str, str], body: bytes = b"", method: str = "GET") -> bytes:
    """Return a whole answer, an honest one."""
    head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else body)


def _tls(certificate: Certificate | None) -> tuple[str, ssl.SSLContext | None]:
    if certificate is None:
        return "", None
    ca = trustme.CA()
    issued = ca.issue_cert(
        *certificate.names,
        not_before=_LONG_AGO if certificate.expired else None,
        not_after=_AGO if certificate.expired else None,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return ca.cert_pem.bytes().decode(), context
