"""No connection holds the service longer, or makes it keep more, than its limits say.

Real sockets on loopback against uvicorn on the loop it serves with. Deadlines are short where one
must pass, long where none may; nothing is said about how soon a connection is closed.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import repeat
from typing import Any, ClassVar

import pytest
import uvicorn
import uvloop

from regcred.bootstrap.protocol import GuardedProtocol, Limits, _peer, guarded
from regcred.bootstrap.service import _configured
from regcred.settings import Settings
from regcred.web.middleware import MAX_HEADERS

PATIENCE = 30
SHORT = Limits(per_peer=100, connections=1000, header_deadline=0.3, drain_deadline=0.3)
LONG = Limits(per_peer=100, connections=1000, header_deadline=20, drain_deadline=20)
RUNNING = 1.0
"""Seconds that `/slow` takes: more than any short deadline."""

PIECE = bytes(65536)
PIECES = 256
REQUEST = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


async def app(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    path = scope["path"]
    body = path.encode()
    if path == "/slow":
        await asyncio.sleep(RUNNING)
    if path == "/read":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
    pieces = PIECES if path in ("/stream", "/whole") else 0
    length = b"%d" % (len(PIECE) * pieces or len(body))
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/whole":
        body, pieces = PIECE * pieces, 0
    for _ in range(pieces):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if pieces else body})


class Served:
    """A running server, and what became of its connections."""

    def __init__(self, limits: Limits, **config: Any) -> None:
        self.lost = threading.Event()
        self.parsed = 0
        served = self

        class Watched(GuardedProtocol):
            bounds = limits
            peers: ClassVar[Counter[str]] = Counter()

            def data_received(self, data: bytes) -> None:
                served.parsed += len(data)
                super().data_received(data)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                served.lost.set()

        self.peers = Watched.peers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = self._listening.getsockname()
        defaults = {"timeout_keep_alive": 20, "timeout_graceful_shutdown": 1}
        settings: dict[str, Any] = {**defaults, **config}
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Watched,
                ws="none",
                lifespan="off",
                log_config=None,
                **settings,
            )
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def connections(self) -> set[Any]:
        return self._server.server_state.connections

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._server.serve([self._listening]))

    def stop(self) -> None:
        self._server.should_exit = True

    def close(self) -> None:
        self.stop()
        self._thread.join()
        self._listening.close()

    @contextmanager
    def connected(self, source: str = "127.0.0.1", receives: int = 0) -> Iterator[socket.socket]:
        with socket.socket() as line:
            if receives:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
            line.settimeout(PATIENCE)
            line.bind((source, 0))
            line.connect(self.address)
            yield line


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:

        def start(limits: Limits, **config: Any) -> Served:
            served = Served(limits, **config)
            running.callback(served.close)
            return served

        yield start


def answer(line: socket.socket) -> bytes:
    """Return the body of one answer, read no further than its end. Raise EOFError."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = line.recv(1)
        if not byte:
            raise EOFError
        head += byte
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        part = line.recv(length - len(body))
        if not part:
            raise EOFError
        body += part
    return body


def all_that_comes(line: socket.socket) -> bytes:
    """Return what is left until the server closes. Raise TimeoutError."""
    said = b""
    try:
        while part := line.recv(65536):
            said += part
    except ConnectionError:
        pass
    return said


def is_closed(line: socket.socket) -> bool:
    """Whether the server closes it before the test's patience ends, whatever it says first."""
    try:
        while line.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def drips_until_closed(line: socket.socket, drop: bytes) -> bool:
    """Send a little now and then; whether the server closes it before the patience ends."""
    line.settimeout(0.05)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            line.sendall(drop)
            if not line.recv(65536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


# What may not last


def test_a_connection_that_sends_nothing_is_closed(serve: Serve) -> None:
    with serve(SHORT).connected() as line:
        assert is_closed(line)


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a"),
        (b"GET / HTTP/1.1\r\n", b"X: a\r\n"),
        (b"", b"\r\n"),
    ],
    ids=["path", "one header", "headers", "empty lines"],
)
@pytest.mark.parametrize("kept", [False, True], ids=["first request", "kept connection"])
def test_headers_that_drip_are_cut_off(
    serve: Serve, start: bytes, drop: bytes, *, kept: bool
) -> None:
    with serve(SHORT, timeout_keep_alive=1).connected() as line:
        if kept:
            line.sendall(REQUEST % b"/first")
            assert answer(line) == b"/first"
        line.sendall(start)

        assert drips_until_closed(line, drop)


def test_a_body_that_drips_after_its_answer_is_cut_off(serve: Serve) -> None:
    with serve(SHORT, timeout_keep_alive=1).connected() as line:
        line.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")
        assert answer(line) == b"/early"

        assert drips_until_closed(line, b"a")


def test_idle_and_half_asked_connections_give_their_places_back(serve: Serve) -> None:
    served = serve(SHORT, limit_concurrency=16)
    with ExitStack() as held:
        starts = (b"", b"GET / HTTP/1.1\r\nX: ") * 10
        lines = [held.enter_context(served.connected()) for _ in starts]
        for line, start in zip(lines, starts, strict=True):
            line.sendall(start)
        assert is_closed(lines[-1])
        until = time.monotonic() + PATIENCE
        while served.peers.total() and time.monotonic() < until:
            time.sleep(0.05)
        with served.connected() as honest:
            honest.sendall(REQUEST % b"/a")

            assert answer(honest) == b"/a"


# What may not grow


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536),
        (b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 10_000),
        (b"", b"\r\n" * 32_768),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
            b"X: a\r\n" * 10_000,
        ),
    ],
    ids=["path", "one header", "headers", "empty lines", "trailers"],
)
def test_what_leads_to_no_request_is_parsed_to_the_limit_and_no_further(
    serve: Serve, start: bytes, part: bytes
) -> None:
    served = serve(LONG)
    with served.connected() as line:
        try:
            for sent in (start, *repeat(part, 512)):
                line.sendall(sent)
        except OSError:
            pass

        assert is_closed(line)
    two_reads = 2 * 262_144
    assert served.parsed <= LONG.header_bytes + two_reads


def test_headers_beyond_what_has_a_request_refused_are_not_kept(serve: Serve) -> None:
    served = serve(LONG)
    sent = b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 10_000
    with served.connected() as line:
        line.sendall(sent)
        until = time.monotonic() + PATIENCE
        while served.parsed < len(sent) and time.monotonic() < until:
            time.sleep(0.01)

        [connection] = served.connections
        assert len(connection.headers) == MAX_HEADERS + 1


@pytest.mark.parametrize(
    ("start", "part", "status"),
    [
        (b"GET /", b"a" * 65536, b"414 "),
        (b"GET / HTTP/1.1\r\nX: a\r\nY: ", b"a" * 65536, b"431 "),
        (b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 10_000, b"431 "),
        (b"", b"\r\n" * 32_768, b"400 "),
        (b"GET / HTTP/1.1\n", b"", b"400 "),
    ],
    ids=["path", "one header", "headers", "empty lines", "bare LF"],
)
def test_what_leads_to_no_request_is_told_so(
    serve: Serve, start: bytes, part: bytes, status: bytes
) -> None:
    with serve(LONG).connected() as line:
        line.sendall(start + part * 2)
        said = all_that_comes(line)

    assert said.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close\r\n" in said
    assert said.count(b"HTTP/1.1") == 1


def test_more_requests_than_wait_for_their_turn_are_not_taken(serve: Serve) -> None:
    """The client hears which were: the connection is closed after the last of them."""
    with serve(LONG).connected() as line:
        line.sendall(REQUEST % b"/slow" + b"".join(REQUEST % b"/%d" % n for n in range(1_000)))
        said = all_that_comes(line)

    assert [said.count(b"\r\n\r\n/%d" % n) for n in (0, 15)] == [1, 1]
    assert said.count(b"HTTP/1.1 200") == 17
    assert said.count(b"HTTP/1.1") == 17


def test_garbage_behind_a_request_takes_nothing_from_its_answer(serve: Serve) -> None:
    with serve(LONG).connected() as line:
        line.sendall(REQUEST % b"/slow")
        time.sleep(0.1)
        line.sendall(b"\x00" * 100)
        line.sendall(REQUEST % b"/never")

        assert answer(line) == b"/slow"
        assert all_that_comes(line) == b""


def test_a_broken_body_is_refused_in_its_turn(serve: Serve) -> None:
    broken = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    with serve(LONG).connected() as line:
        line.sendall(REQUEST % b"/slow" + broken)

        assert answer(line) == b"/slow"
        assert all_that_comes(line).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_breaks_within_its_answer_ends_the_connection(serve: Serve) -> None:
    with serve(LONG).connected() as line:
        line.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert answer(line) == b"/early"
        line.sendall(b"zz\r\n")

        assert all_that_comes(line) == b""


@pytest.mark.parametrize("path", [b"/stream", b"/whole"])
@pytest.mark.parametrize("kept", [b"keep-alive", b"close"])
def test_a_client_that_does_not_read_is_cut_off(serve: Serve, path: bytes, kept: bytes) -> None:
    served = serve(SHORT)
    with served.connected(receives=4096) as line:
        line.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: %s\r\n\r\n" % (path, kept))

        assert served.lost.wait(PATIENCE)
        with pytest.raises((EOFError, ConnectionError)):
            answer(line)


def test_an_address_has_so_many_connections_and_others_have_theirs(serve: Serve) -> None:
    served = serve(Limits(per_peer=3, connections=1000, header_deadline=PATIENCE))
    with ExitStack() as held:
        lines = [held.enter_context(served.connected()) for _ in range(3)]
        for line in lines:
            line.sendall(REQUEST % b"/mine")
            assert answer(line) == b"/mine"
        with served.connected() as more:
            assert is_closed(more)
        with served.connected("127.0.0.2") as other:
            other.sendall(REQUEST % b"/other")
            assert answer(other) == b"/other"
        for line in lines:
            line.sendall(REQUEST % b"/still")
            assert answer(line) == b"/still"


def test_a_trusted_proxy_has_as_many_connections_as_there_are(serve: Serve) -> None:
    served = serve(Limits(1, 1000, shared="127.0.0.1".__eq__, header_deadline=PATIENCE))
    with ExitStack() as held:
        for _ in range(5):
            line = held.enter_context(served.connected())
            line.sendall(REQUEST % b"/mine")
            assert answer(line) == b"/mine"
        held.enter_context(served.connected("127.0.0.2"))
        with served.connected("127.0.0.2") as more:
            assert is_closed(more)


def test_all_peers_together_have_no_more_than_there_are(serve: Serve) -> None:
    served = serve(Limits(per_peer=3, connections=3, header_deadline=PATIENCE))
    with ExitStack() as held:
        lines = [held.enter_context(served.connected(f"127.0.0.{n}")) for n in (1, 2, 3)]
        for line in lines:
            line.sendall(REQUEST % b"/mine")
            assert answer(line) == b"/mine"
        with served.connected("127.0.0.4") as more:
            assert is_closed(more)
        lines[0].sendall(REQUEST % b"/still")
        assert answer(lines[0]) == b"/still"


def test_a_connection_that_ends_gives_its_place_back(serve: Serve) -> None:
    served = serve(Limits(per_peer=1, connections=1000))
    for _ in range(5):
        with served.connected() as line:
            line.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer(line) == b"/a"
            assert is_closed(line)
        assert served.lost.wait(PATIENCE)
        served.lost.clear()

    assert not served.peers


def test_a_peer_that_is_gone_already_is_still_counted_as_one() -> None:
    assert _peer(asyncio.Transport({"peername": None})) == ""


# What must go on


def test_headers_in_parts_are_read(serve: Serve) -> None:
    with serve(LONG).connected() as line:
        for byte in REQUEST % b"/parts":
            line.sendall(bytes((byte,)))
            time.sleep(0.005)

        assert answer(line) == b"/parts"


def test_a_kept_connection_outlives_the_deadline_of_one_request(serve: Serve) -> None:
    with serve(SHORT).connected() as line:
        for _ in range(4):
            line.sendall(REQUEST % b"/again")
            assert answer(line) == b"/again"
            time.sleep(SHORT.header_deadline)


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    paths = [b"/%d" % number for number in range(16)]
    with serve(LONG).connected() as line:
        line.sendall(b"".join(REQUEST % path for path in paths))

        assert [answer(line) for _ in paths] == paths


def test_a_request_that_takes_longer_than_the_deadlines_is_answered(serve: Serve) -> None:
    with serve(SHORT).connected() as line:
        line.sendall(REQUEST % b"/slow")

        assert answer(line) == b"/slow"


def test_headers_begun_during_an_answer_have_their_time_after_it(serve: Serve) -> None:
    with serve(SHORT).connected() as line:
        line.sendall(REQUEST % b"/slow" + b"GET /next HTTP/1.1\r\n")
        assert answer(line) == b"/slow"
        line.sendall(b"Host: a\r\n\r\n")

        assert answer(line) == b"/next"


def test_a_body_slower_than_the_headers_deadline_is_left_to_the_application(serve: Serve) -> None:
    with serve(SHORT).connected() as line:
        line.sendall(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            line.sendall(b"a")
            time.sleep(0.1)

        assert answer(line) == b"a" * 10


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 1048576", b"a" * 1_048_576),
        (b"Transfer-Encoding: chunked", b"1000\r\n" + b"a" * 4096 + b"\r\n"),
    ],
    ids=["length", "chunked"],
)
def test_a_long_body_is_no_long_header(serve: Serve, framing: bytes, body: bytes) -> None:
    chunked = framing.endswith(b"chunked")
    sent = body * 256 + b"0\r\n\r\n" if chunked else body
    with serve(LONG).connected() as line:
        line.sendall(b"POST /read HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + sent)

        assert len(answer(line)) == 1_048_576


def test_a_client_that_reads_slowly_gets_its_answer_whole(serve: Serve) -> None:
    limits = Limits(per_peer=1, connections=1000, drain_deadline=2)
    whole, got = len(PIECE) * PIECES, 0
    with serve(limits).connected(receives=262_144) as line:
        line.sendall(REQUEST % b"/stream")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += line.recv(1)
        while got < whole and (part := line.recv(65536)):
            got += len(part)
            time.sleep(0.01)

    assert got == whole


# The end

QUIET = Limits(per_peer=100, connections=1000, lull=0.3)
LAST = b"connection: close\r\n"


def stopped(serve: Serve, limits: Limits = QUIET) -> Served:
    return serve(limits, timeout_graceful_shutdown=PATIENCE)


def test_what_runs_when_the_service_stops_is_answered(serve: Serve) -> None:
    served = stopped(serve)
    with served.connected() as line:
        line.sendall(REQUEST % b"/slow")
        time.sleep(0.1)
        served.stop()
        said = all_that_comes(line)

    assert said.endswith(b"\r\n\r\n/slow")
    assert LAST in said


def test_a_request_on_its_way_when_the_service_stops_is_the_connections_last(serve: Serve) -> None:
    served = stopped(serve, Limits(per_peer=100, connections=1000, lull=PATIENCE))
    with served.connected() as line:
        line.sendall(REQUEST % b"/first")
        assert answer(line) == b"/first"
        served.stop()
        time.sleep(0.3)
        line.sendall(REQUEST % b"/second")
        said = all_that_comes(line)

    assert said.endswith(b"\r\n\r\n/second")
    assert LAST in said


def test_headers_that_are_half_there_when_the_service_stops_may_come(serve: Serve) -> None:
    served = stopped(serve)
    with served.connected() as line:
        line.sendall(b"GET /half HTTP/1.1\r\n")
        time.sleep(0.1)
        served.stop()
        time.sleep(2 * QUIET.lull)
        line.sendall(b"Host: a\r\n\r\n")

        assert all_that_comes(line).endswith(b"\r\n\r\n/half")


def test_quiet_connections_do_not_hold_the_service_up(serve: Serve) -> None:
    served = stopped(serve)
    with served.connected() as line, served.connected() as other:
        other.sendall(REQUEST % b"/a")
        assert answer(other) == b"/a"
        served.stop()

        assert is_closed(line)
        assert is_closed(other)


# The service


def test_the_service_serves_with_these_limits() -> None:
    settings = Settings(concurrency=64, connections_per_peer=7, trusted_proxies=("10.0.0.0/8",))
    config = _configured(settings, app)

    assert isinstance(config.http, type)
    assert issubclass(config.http, GuardedProtocol)
    bounds = config.http.bounds
    assert replace(bounds, shared=all) == Limits(per_peer=7, connections=128, shared=all)
    assert [bounds.shared(host) for host in ("10.1.2.3", "192.0.2.1")] == [True, False]


def test_two_servers_count_their_peers_apart() -> None:
    assert guarded(LONG).peers is not guarded(LONG).peers
