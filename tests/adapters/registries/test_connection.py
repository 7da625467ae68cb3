"""A connection reads, writes and fails as httpcore2 expects, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import httpcore2
import pytest
import trustme
import uvloop

from regcred.adapters.registries import connection
from regcred.adapters.registries.connection import Connection, connect

LOOPBACK = ipaddress.ip_address("127.0.0.1")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Act = Callable[[], Awaitable[None]]
Run = Callable[[Act], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run on the tests' loop, and on the one that the service runs on."""

    def running(act: Act) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(act(), 20))  # type: ignore[arg-type]  # it is a coroutine

    return running


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
    """Serve one connection, not yet wrapped in TLS on this side, and close it."""

    ends: set[asyncio.Task[None] | None] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            await serve(reader, writer)
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(served, str(LOOPBACK), ssl=tls)
    opened = await connect(LOOPBACK, server.sockets[0].getsockname()[1], 5)
    try:
        yield opened
    finally:
        await opened.aclose()
        server.close()
        await asyncio.gather(*filter(None, ends), return_exceptions=True)
        # A server whose handshake failed takes its time to let go.
        await asyncio.sleep(0.01)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(4))
    await writer.drain()


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def whole(opened: httpcore2.AsyncNetworkStream, most: int = 65536) -> bytes:
    """Read to the end."""
    read = bytearray()
    while piece := await opened.read(most, timeout=5):
        assert len(piece) <= most
        read += piece
    return bytes(read)


def test_what_is_sent_comes_back_and_then_it_ends(run: Run) -> None:
    async def act() -> None:
        async with serving(echo) as opened:
            await opened.write(b"abcd")
            assert await whole(opened, 3) == b"abcd"
            with pytest.raises(httpcore2.WriteError):
                await opened.write(b"more")

    run(act)


def test_a_peer_sends_no_more_than_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    much = bytes(8 * 1024 * 1024)
    most = 0
    received = connection._Received.data_received

    def watched(self: connection._Received, data: bytes) -> None:
        nonlocal most
        received(self, data)
        most = max(most, len(self.waiting))

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(much)
        await writer.drain()

    async def act() -> None:
        async with serving(send) as opened:
            await asyncio.sleep(0.1)
            assert await whole(opened, 1000) == much

    monkeypatch.setattr(connection._Received, "data_received", watched)
    run(act)

    # What is read from a socket at once comes on top.
    assert most <= 64 * 1024 + 256 * 1024


def test_silence_is_a_timeout(run: Run) -> None:
    async def act() -> None:
        async with serving(silence) as opened:
            with pytest.raises(httpcore2.ReadTimeout):
                await opened.read(1, timeout=0.01)

    run(act)


def test_a_reset_is_an_error(run: Run) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        inner = writer.get_extra_info("socket")
        inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def act() -> None:
        async with serving(reset) as opened:
            await opened.write(b"x")
            with pytest.raises(httpcore2.ReadError):
                await opened.read(1, timeout=5)

    run(act)


def test_a_broken_record_stays_an_error_of_tls(run: Run) -> None:
    async def act() -> None:
        async with serving(silence) as opened:
            opened._received.connection_lost(ssl.SSLError(1, "record layer failure"))
            with pytest.raises(ssl.SSLError):
                await opened.read(1)

    run(act)


def test_nobody_there_and_too_late(run: Run) -> None:
    async def act() -> None:
        with socket.create_server((str(LOOPBACK), 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(httpcore2.ConnectError):
            await connect(LOOPBACK, port, 5)
        with pytest.raises(httpcore2.ConnectTimeout):
            await connect(LOOPBACK, port, 0)

    run(act)


def test_an_idle_connection_is_readable_once_it_is_of_no_use(run: Run) -> None:
    async def farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"bye")

    async def act() -> None:
        async with serving(farewell) as opened:
            assert not opened.get_extra_info("is_readable")
            await opened.write(b"x")
            assert await opened.read(3, timeout=5) == b"bye"
            assert await opened.read(3, timeout=5) == b""
            assert opened.get_extra_info("is_readable")
        async with serving(silence) as opened:
            await opened.aclose()
            await asyncio.sleep(0.01)
            assert opened.get_extra_info("is_readable")

    run(act)


def test_what_came_is_known_before_the_loop_says_so(run: Run) -> None:
    """A connection that was closed meanwhile must not be taken for the next request."""

    async def act() -> None:
        with socket.create_server((str(LOOPBACK), 0)) as listening:
            opened = await connect(LOOPBACK, listening.getsockname()[1], 5)
            peer, _ = listening.accept()
            peer.close()

            assert opened.get_extra_info("is_readable")
            await opened.aclose()

    run(act)


def test_where_from_and_how_can_be_chosen(run: Run) -> None:
    async def act() -> None:
        keep_alive = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with socket.create_server((str(LOOPBACK), 0)) as listening:
            port = listening.getsockname()[1]
            opened = await connect(LOOPBACK, port, 5, "127.0.0.2", [keep_alive])
            inner = opened.get_extra_info("socket")

            assert inner.getsockname()[0] == "127.0.0.2"
            assert inner.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            await opened.aclose()

    run(act)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """An authority of the tests."""
    return trustme.CA()


def contexts(ca: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context for localhost, and a client's that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return server, client


def test_tls_is_for_the_name(run: Run, ca: trustme.CA) -> None:
    server, client = contexts(ca)

    async def act() -> None:
        async with serving(echo, server) as opened:
            wrapped = await opened.start_tls(client, "localhost", timeout=5)
            await wrapped.write(b"abcd")
            assert await whole(wrapped) == b"abcd"
            assert wrapped.get_extra_info("ssl_object").version() == "TLSv1.3"
        async with serving(echo, server) as opened:
            with pytest.raises(httpcore2.ConnectError):
                await opened.start_tls(client, "other.example", timeout=5)

    run(act)


def test_what_came_before_the_handshake_is_never_read_as_what_came_in_it(
    run: Run, ca: trustme.CA
) -> None:
    """Anyone between may send it in the clear, and then let the real server shake hands."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    client = ssl.create_default_context()
    ca.configure_trust(client)

    async def first_in_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nINJECTED")
        await writer.drain()
        await writer.start_tls(tls)
        await reader.read(1)

    async def act() -> None:
        for pause in (0, 0, 0, 0.001, 0.02):
            async with serving(first_in_clear) as opened:
                await asyncio.sleep(pause)
                read = b""
                with contextlib.suppress(httpcore2.NetworkError, ssl.SSLError):
                    wrapped = await opened.start_tls(client, "localhost", timeout=5)
                    await wrapped.write(b"?")
                    read = await wrapped.read(100, timeout=5)
                assert read == b""

    run(act)


def test_a_handshake_that_comes_to_nothing(run: Run, ca: trustme.CA) -> None:
    _, client = contexts(ca)

    async def leave(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async def act() -> None:
        async with serving(silence) as opened:
            with pytest.raises(httpcore2.ConnectTimeout):
                await opened.start_tls(client, "localhost", timeout=0.05)
        async with serving(leave) as opened:
            with pytest.raises(httpcore2.ConnectError):
                await opened.start_tls(client, "localhost", timeout=5)

    run(act)


async def test_a_connection_lost_at_the_end_of_the_handshake(
    ca: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object, **__: object) -> None:
        return None

    _, client = contexts(ca)
    async with serving(silence) as opened:
        monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", nothing)
        with pytest.raises(httpcore2.ConnectError):
            await opened.start_tls(client, "localhost")
