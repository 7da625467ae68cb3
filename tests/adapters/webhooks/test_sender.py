"""Messages to receivers that are right, wrong and hostile, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from regcred.adapters.registries import transport
from regcred.adapters.sealing.webhook_signature import sign_message
from regcred.adapters.webhooks.sender import GuardedSender
from regcred.domain import webhook as rules
from regcred.domain.errors import InvalidInput, QuotaExceeded
from regcred.domain.webhook import DeliveryStatus as S
from regcred.domain.webhook import Message, new_secret
from tests.adapters.registries.scripted import LOOPBACK, Says, Seen, Server
from tests.adapters.registries.ssrf import (
    ENCODINGS,
    LEGITIMATE,
    PUBLIC,
    TARGETS,
    TARGETS_IPV6,
    Network,
    forbidden,
)

SOON = 0.5
"""A whole attempt's seconds, where a receiver would take for ever."""

SECRET = new_secret(bytes(range(32)))
AT = datetime(2026, 11, 21, 12, 0, 0, 250000, tzinfo=UTC)
MESSAGE = Message(
    "msg_1", "verdict.changed", AT, {"number": 7, "verdict": "rejected", "tags": ("a", "b")}
)


def sender(**more: object) -> GuardedSender:
    """Return a sender that may reach this machine, over http too."""
    settings: dict[str, object] = {
        "allow_networks": ("127.0.0.0/8",),
        "allow_http": (LOOPBACK,),
        **more,
    }
    return GuardedSender(sign_message, time.monotonic, **settings)  # type: ignore[arg-type]  # tests vary one keyword at a time


async def send(to: str, by: GuardedSender | None = None) -> S:
    return await (by or sender()).send(to, SECRET, MESSAGE, datetime.now(UTC))


async def test_a_message_is_one_that_others_believe() -> None:
    async with Server(lambda _: Says(204)).serving() as server:
        status = await send(f"{server.url}/in?a=%40b")

    (seen,) = server.seen
    assert status is S.DELIVERED
    assert (seen.method, seen.target) == ("POST", "/in?a=%40b")
    assert Webhook(SECRET.reveal()).verify(seen.body, dict(seen.headers)) == {
        "type": "verdict.changed",
        "timestamp": "2026-11-21T12:00:00.250000Z",
        "data": {"number": 7, "verdict": "rejected", "tags": ["a", "b"]},
    }
    assert seen.headers.keys() == {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-type",
        "content-length",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == "msg_1"
    assert SECRET.reveal().encode() not in seen.body


async def test_the_timestamp_is_the_attempts_and_the_messages_id_stays() -> None:
    async with Server(lambda _: Says(500)).serving() as server:
        for second in (1, 2):
            at = datetime.fromtimestamp(1_800_000_000 + second + 0.9, UTC)
            await sender().send(server.url, SECRET, MESSAGE, at)

    one, two = (seen.headers for seen in server.seen)
    assert (one["webhook-timestamp"], two["webhook-timestamp"]) == ("1800000001", "1800000002")
    assert one["webhook-id"] == two["webhook-id"]
    assert one["webhook-signature"] != two["webhook-signature"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (200, S.DELIVERED),
        (202, S.DELIVERED),
        (299, S.DELIVERED),
        (301, S.REDIRECTED),
        (304, S.REDIRECTED),
        (308, S.REDIRECTED),
        (400, S.REFUSED),
        (401, S.REFUSED),
        (404, S.REFUSED),
        (429, S.REFUSED),
        (410, S.GONE),
        (500, S.FAILED),
        (503, S.FAILED),
        (599, S.FAILED),
        (600, S.NOT_HTTP),
        (999, S.NOT_HTTP),
    ],
)
async def test_an_answer_is_told_by_its_class_alone(answer: int, status: S) -> None:
    async with Server(lambda _: Says(answer)).serving() as server:
        assert await send(server.url) is status


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_nothing_is_followed(code: int) -> None:
    async with Server(lambda _: Says(200)).serving() as inside:
        away = Says(code, (("Location", f"{inside.url}/x"),))
        async with Server(lambda _: away).serving() as server:
            assert await send(server.url) is S.REDIRECTED

    assert inside.connections == 0
    assert len(server.seen) == 1


# Hostile receivers

Drip = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def endless(head: bytes, chunk: bytes, pause: float = 0.0, limit: int = 20_000) -> Drip:
    async def drip(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(limit):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)

    return drip


async def silence(_seen: Seen, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize(
    "drip",
    [
        silence,
        endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.02),
        endless(b"HTTP/1.1 20", b"0", 0.02),
        endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.02),
    ],
    ids=["silence", "headers", "status", "progress"],
)
async def test_a_slow_answer_ends_at_the_deadline(drip: Drip) -> None:
    async with Server(drip=drip).serving() as server:
        began = time.monotonic()
        status = await send(server.url, sender(deadline=SOON))

    assert status in {S.TIMEOUT, S.NOT_HTTP}
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "drip",
    [
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"x" * 65536),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.02),
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        endless(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n",
            gzip.compress(b"\0" * 10_000_000),
            limit=1,
        ),
    ],
    ids=["huge", "dripping", "unbounded", "bomb"],
)
async def test_a_body_is_never_read(drip: Drip) -> None:
    async with Server(drip=drip).serving() as server:
        assert await send(server.url, sender(deadline=5)) is S.DELIVERED


@pytest.mark.parametrize(
    "drip",
    [
        endless(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 4000 + b"\r\n", limit=100),
        endless(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"", limit=0),
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4000, limit=100),
        endless(b"SSH-2.0-OpenSSH_9.6\r\n", b"", limit=0),
        endless(b"", b"", limit=0),
    ],
    ids=["header flood", "many headers", "long header", "ssh", "nothing"],
)
async def test_what_is_not_a_bounded_answer_is_no_http(drip: Drip) -> None:
    async with Server(drip=drip).serving() as server:
        assert await send(server.url) is S.NOT_HTTP


async def test_closed_filtered_and_forbidden_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server().serving() as server:
        url = server.url
    closed = await send(url)
    refused = await send(url, sender(allow_networks=()))
    internal = await send("https://169.254.169.254/latest", sender(allow_networks=()))
    other_port = await send("https://93.184.215.14:22/", sender(allow_networks=()))

    async def filtered(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", filtered)
    dropped = await send(url, sender(deadline=SOON))
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.05)
    given_up = await send(url)

    assert {closed, refused, internal, other_port, dropped, given_up} == {S.UNREACHABLE}


async def test_an_unknown_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", Network()._getaddrinfo)

    assert await send("https://absent.example") is S.DNS


async def test_a_receiver_without_tls_is_said() -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK) as plain:
        port = plain.sockets[0].getsockname()[1]
        assert await send(f"https://{LOOPBACK}:{port}") is S.TLS


async def test_http_is_not_sent_where_the_operator_does_not_allow_it() -> None:
    async with Server(lambda _: Says(200)).serving() as server:
        assert await send(server.url, sender(allow_http=())) is S.PLAIN_HTTP
        assert await send(server.url, sender(allow_http=("other.example",))) is S.PLAIN_HTTP

    assert server.connections == 0


async def test_what_was_stored_before_a_rule_was_made_goes_nowhere() -> None:
    assert await send("https://a_b.example") is S.UNREACHABLE


# Addresses


@pytest.mark.parametrize("url", ["https://a.example/x", f"http://{LOOPBACK}:81/x"])
def test_addresses_that_may_be_sent_to(url: str) -> None:
    sender().check(url)


@pytest.mark.parametrize("url", ["http://a.example", "https://a.example:01", "x", "https://a_b"])
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        sender().check(url)

    assert refused.value.violations[0].field == "url"
    assert url not in str(refused.value)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    network.install(monkeypatch)
    return network


async def test_no_spelling_of_a_forbidden_address_is_ever_sent_to(network: Network) -> None:
    asked = sender(allow_networks=(), allow_http=(), per_host_rate=1_000_000)
    taken = 0
    targets = [encode(target) for encode in ENCODINGS.values() for target in TARGETS]
    targets += [*TARGETS_IPV6, *(f"[{target}]" for target in TARGETS_IPV6)]
    for target in targets:
        for shape in ("https://{}", "https://{}:443/x", "http://{}/x", "https://{}?x=1"):
            url = shape.format(target)
            # As stored by an older program, or by an edit that somehow opens.
            assert await send(url, asked) in {S.UNREACHABLE, S.DNS, S.PLAIN_HTTP}
            try:
                asked.check(rules.address(url))
            except InvalidInput:
                continue
            taken += 1

    # Such as plain addresses, which are well spelled: the guard is what stops them.
    assert taken
    assert network.attempts == []


async def test_no_answer_of_the_resolver_leads_to_a_forbidden_address(network: Network) -> None:
    asked = sender(allow_networks=(), allow_http=(), per_host_rate=1_000_000)
    for number, address in enumerate(forbidden()):
        name = f"n{number}.example"
        network.names[name] = ((*PUBLIC, address), PUBLIC, (address,))
        for _ in range(3):
            assert await send(f"https://{name}/hook", asked) is S.UNREACHABLE

    assert network.violations == []
    assert network.attempts
    assert max(network.lookups.values()) == 3


async def test_public_receivers_are_reached(network: Network) -> None:
    asked = sender(allow_networks=(), allow_http=())
    for name in LEGITIMATE:
        network.names[name] = (PUBLIC,)
        network.attempts.clear()
        url = f"https://{name}/hook"
        asked.check(rules.address(url))
        assert await send(url, asked) is S.UNREACHABLE

        assert network.attempts == list(PUBLIC), name


async def test_proxies_and_netrc_have_no_effect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with Server().serving() as proxy, Server(lambda _: Says(200)).serving() as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        netrc = tmp_path / ".netrc"
        netrc.write_text(f"machine {LOOPBACK} login thief password loot\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        assert await send(server.url) is S.DELIVERED

    assert proxy.connections == 0
    assert server.seen[0].authorization is None


# Bounds


async def test_one_host_gets_so_many_messages_a_minute() -> None:
    by = sender(per_host_rate=2)
    async with Server(lambda _: Says(200)).serving() as server:
        assert [await send(server.url, by) for _ in range(2)] == [S.DELIVERED] * 2
        with pytest.raises(QuotaExceeded) as refused:
            await send(server.url, by)

    assert refused.value.retry_after == 30
    assert len(server.seen) == 2


async def test_so_many_at_once() -> None:
    by = sender(max_concurrency=1, deadline=SOON)
    async with Server(drip=silence).serving() as server:
        found = await asyncio.gather(
            *(send(server.url, by) for _ in range(4)), return_exceptions=True
        )

    assert S.TIMEOUT in found
    assert any(isinstance(one, QuotaExceeded) for one in found)
