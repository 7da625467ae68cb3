"""Hostile and broken servers, over real sockets: every reader is bounded (threat A44-A50)."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore2
import pytest
import trustme

from regcred.adapters.registries import client, transport
from regcred.adapters.registries.client import (
    MAX_BODY,
    RegistryClient,
    tls_context,
)
from regcred.adapters.registries.messages import (
    Attach,
    Finding,
    Handshake,
    Proof,
    Reply,
    Request,
    Unanswered,
)
from regcred.adapters.registries.origins import Origin
from regcred.adapters.registries.rendering import ForeignOrigin
from regcred.adapters.registries.transport import GuardedBackend
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import PASSWORD, USER, ask, draft, registries
from tests.adapters.registries.scripted import (
    BASIC_CHALLENGE,
    LOOPBACK,
    Says,
    Seen,
    Server,
    basic,
    bearer_challenge,
    token,
)
from tests.adapters.registries.ssrf import Network

SOON = 0.5
"""A whole handshake's seconds, where a server would take for ever."""

LATER = 2.0
"""The same, where its first steps must still be done on a busy machine."""


async def drip_headers(_seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_body(_seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_progress(_seen: Seen, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(_seen: Seen, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize("drip", [drip_headers, drip_body, drip_progress, silence])
async def test_a_slow_answer_ends_at_the_deadline(drip: object) -> None:
    async with Server(drip=drip).serving() as server:  # type: ignore[arg-type]  # the list's common type is object
        verdict = await ask(registries(deadline=SOON), draft(server.url))

    assert verdict.kind is V.UNREACHABLE
    assert verdict.evidence["cause"] == "timeout"


async def test_a_slow_tls_handshake_ends_at_the_deadline() -> None:
    # A plain server waits for the end of a request that a TLS greeting never has.
    async with Server().serving() as server:
        verdict = await ask(registries(deadline=SOON), draft(f"https://{server.authority}"))

    assert verdict.evidence["cause"] == "timeout"


async def test_one_deadline_covers_all_steps() -> None:
    async with Server(drip=silence).serving() as tokens:
        challenge = bearer_challenge(f"{tokens.url}/token")
        async with Server(lambda _: challenge).serving() as server:
            verdict = await ask(
                registries(deadline=LATER), draft(server.url, realm=tokens.authority)
            )

    assert verdict.kind is V.UNREACHABLE
    assert verdict.evidence["ping_status"] == 401
    assert verdict.evidence["cause"] == "timeout"


async def test_a_control_that_hangs_does_not_spoil_the_verdict() -> None:
    async def drip(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.method == "HEAD" and not seen.authorization:
            await silence(seen, writer)
        answer = Says(200) if seen.authorization else BASIC_CHALLENGE
        writer.write(answer.raw(seen.method))

    async with Server(drip=drip).serving() as server:
        verdict = await ask(
            registries(deadline=LATER), draft(server.url), f"{server.authority}/team/app"
        )

    assert verdict.kind is V.OK
    assert verdict.evidence["note"]


def endless(head: bytes, chunk: bytes, limit: int = 4000) -> object:
    async def drip(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(limit):
            writer.write(chunk)
            await writer.drain()

    return drip


CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
BOMB = gzip.compress(b"\0" * 10_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b" " * 65536),
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
        endless(b"HTTP/1.1 200 OK\r\n", b"X-Long: " + b"y" * 4000 + b"\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4000),
        endless(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"Content-Length: 0\r\n\r\n", b"", 0),
        endless(
            b"HTTP/1.1 200 OK\r\n"
            + (b"X: " + b"y" * 8000 + b"\r\n") * 10
            + b"Content-Length: 0\r\n\r\n",
            b"",
            0,
        ),
        endless(b"SSH-2.0-OpenSSH_9.6\r\n", b"", 0),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"", 0),
        endless(b"", b"", 0),
    ],
    ids=[
        "chunked",
        "long",
        "unbounded",
        "headers",
        "header",
        "many",
        "heavy",
        "ssh",
        "two",
        "none",
    ],
)
async def test_what_is_larger_than_the_protocol_or_not_http_is_no_registry(answer: object) -> None:
    async with Server(drip=answer).serving() as server:  # type: ignore[arg-type]  # the list's common type is object
        verdict = await ask(registries(), draft(server.url))

    assert verdict.kind is V.NOT_A_REGISTRY
    assert verdict.evidence["note"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "gzip, gzip", "GZIP", ""])
async def test_compressed_answers_are_refused_unread(encoding: str) -> None:
    says = Says(200, (("Content-Encoding", encoding),), BOMB)
    async with Server(lambda _: says).serving() as server:
        verdict = await ask(registries(), draft(server.url))

    assert verdict.kind is V.NOT_A_REGISTRY
    assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_the_largest_answer_is_read_whole() -> None:
    says = Says(200, (("Content-Encoding", "identity"),), b" " * MAX_BODY)
    async with Server(lambda _: says).serving() as server:
        verdict = await ask(registries(), draft(server.url))

    assert verdict.kind is V.PUBLIC


async def test_a_connection_that_breaks_is_unreachable() -> None:
    async def drip(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async with Server(drip=drip).serving() as server:
        verdict = await ask(registries(), draft(server.url))

    assert verdict.kind in {V.UNREACHABLE, V.NOT_A_REGISTRY}


async def test_refused_closed_and_filtered_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    async with server.serving():
        closed_port = server.port
    closed = await ask(registries(), draft(f"http://{LOOPBACK}:{closed_port}"))
    refused = await ask(registries(allow_networks=()), draft(f"http://{LOOPBACK}:{closed_port}"))

    async def filtered(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", filtered)
    dropped = await ask(registries(deadline=SOON), draft(f"http://{LOOPBACK}:{closed_port}"))

    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.05)
    given_up = await ask(registries(), draft(f"http://{LOOPBACK}:{closed_port}"))

    assert closed == refused == dropped == given_up
    assert dict(closed.evidence) == {"cause": "connect"}


async def test_an_unknown_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", Network()._getaddrinfo)

    verdict = await ask(registries(), draft("absent.example"))

    assert (verdict.kind, dict(verdict.evidence)) == (V.UNREACHABLE, {"cause": "dns"})


# TLS


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def served_by(issued: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


async def over_tls(context: ssl.SSLContext, **settings: str) -> tuple[V, object, Server]:
    server = Server(lambda _: Says(200), tls=context, name="localhost")
    async with server.serving():
        asked = registries(allow_networks=("127.0.0.0/8", "::1/128"), allow_http=())
        verdict = await ask(asked, draft(server.url, **settings))
    return verdict.kind, verdict.evidence.get("cause"), server


def pem(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


async def test_a_credentials_own_authority_is_trusted(ca: trustme.CA) -> None:
    kind, _, server = await over_tls(served_by(ca.issue_cert("localhost")), ca_bundle=pem(ca))

    assert kind is V.PUBLIC
    assert len(server.seen) == 1


async def test_no_other_certificate_is(ca: trustme.CA) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    expired = ca.issue_cert("localhost", not_before=past - timedelta(days=1), not_after=past)
    for context, settings in (
        (served_by(ca.issue_cert("localhost")), {}),
        (served_by(ca.issue_cert("localhost")), {"ca_bundle": pem(trustme.CA())}),
        (served_by(ca.issue_cert("other.example")), {"ca_bundle": pem(ca)}),
        (served_by(ca.issue_cert("127.0.0.1")), {"ca_bundle": pem(ca)}),
        (served_by(expired), {"ca_bundle": pem(ca)}),
    ):
        kind, cause, server = await over_tls(context, **settings)

        assert (kind, cause) == (V.UNREACHABLE, "tls")
        assert server.seen == []


async def test_contexts_are_made_once_and_are_not_kept_without_bound(
    ca: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_MAX_CONTEXTS", 2)
    asking = RegistryClient(GuardedBackend())
    first, other = pem(ca), pem(trustme.CA())
    made, again = await asyncio.gather(asking._context(first), asking._context(first))

    assert made is again is await asking._context(first)
    await asking._context(None)
    await asking._context(other)
    assert list(asking._contexts) == [None, other]


def test_old_tls_is_not_spoken(ca: trustme.CA) -> None:
    for context in (tls_context(None), tls_context(pem(ca))):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


async def test_plain_http_on_a_tls_port_is_said_to_be_no_tls() -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK) as plain:
        port = plain.sockets[0].getsockname()[1]
        verdict = await ask(registries(), draft(f"https://{LOOPBACK}:{port}"))

    assert (verdict.kind, verdict.evidence["cause"]) == (V.UNREACHABLE, "tls")


async def test_a_connection_is_of_use_after_a_head() -> None:
    def script(seen: Seen) -> Says:
        return Says(200) if seen.authorization else BASIC_CHALLENGE

    async with Server(script).serving() as server:
        verdict = await ask(registries(), draft(server.url), f"{server.authority}/team/app")

    assert verdict.kind is V.OK
    assert [seen.method for seen in server.seen] == ["GET", "GET", "HEAD", "HEAD"]
    assert server.connections == 1


# What surrounds the process


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
        verdict = await ask(registries(), draft(server.url))

    assert verdict.kind is V.PUBLIC
    assert proxy.connections == 0
    assert server.authorizations == []


async def test_cookies_are_not_kept() -> None:
    def script(seen: Seen) -> Says:
        cookie = (("Set-Cookie", "a=b; Path=/"),)
        return Says(200, cookie) if seen.authorization else replaced(BASIC_CHALLENGE, cookie)

    def replaced(says: Says, more: tuple[tuple[str, str], ...]) -> Says:
        return Says(says.status, says.headers + more)

    async with Server(script).serving() as server:
        verdict = await ask(registries(), draft(server.url))

    assert verdict.kind is V.OK
    assert all("cookie" not in seen.headers for seen in server.seen)


# How secrets are put on requests


async def test_a_secret_for_one_origin_is_not_sent_to_another() -> None:
    async with Server().serving() as server:
        here = Origin("http", LOOPBACK, server.port)
        for elsewhere in (
            Origin("http", LOOPBACK, server.port + 1),
            Origin("https", LOOPBACK, server.port),
            Origin("http", "localhost", server.port),
        ):
            proof = Proof(elsewhere, Attach.BASIC, Secret("canary"), USER)

            def handshake(proof: Proof = proof) -> Handshake:
                yield Request("GET", here, "/v2/", proof=proof)
                return Finding(V.OK)

            with pytest.raises(ForeignOrigin):
                await RegistryClient(GuardedBackend(["127.0.0.0/8"])).run(handshake())

    assert server.seen == []
    assert server.connections == 0


async def test_a_form_without_a_grant_holds_no_secret() -> None:
    async with Server(lambda _: Says(200)).serving() as server:
        origin = Origin("http", LOOPBACK, server.port)
        for proof in (None, Proof(origin, Attach.BASIC, Secret(PASSWORD), USER)):

            def handshake(proof: Proof | None = proof) -> Handshake:
                yield Request("POST", origin, "/token", form=(("scope", "a"),), proof=proof)
                return Finding(V.OK)

            await RegistryClient(GuardedBackend(["127.0.0.0/8"])).run(handshake())

    assert [seen.body for seen in server.seen] == [b"scope=a"] * 2


@pytest.mark.parametrize(
    ("attach", "header", "form"),
    [
        (Attach.BASIC, basic(USER, PASSWORD), {}),
        (Attach.BEARER, f"Bearer {PASSWORD}", {}),
        (Attach.PASSWORD_GRANT, None, {"username": [USER], "password": [PASSWORD]}),
        (Attach.REFRESH_GRANT, None, {"refresh_token": [PASSWORD]}),
    ],
)
async def test_each_way_of_proving(
    attach: Attach, header: str | None, form: dict[str, list[str]]
) -> None:
    async with Server(lambda _: Says(200)).serving() as server:
        origin = Origin("http", LOOPBACK, server.port)
        proof = Proof(origin, attach, Secret(PASSWORD), USER)

        def handshake() -> Handshake:
            fields = (("scope", "a b"),) if form else None
            method = "POST" if form else "GET"
            yield Request(method, origin, "/token", form=fields, proof=proof)
            return Finding(V.OK)

        await RegistryClient(GuardedBackend(["127.0.0.0/8"])).run(handshake())

    (seen,) = server.seen
    assert seen.authorization == header
    assert seen.headers["host"] == server.authority
    if form:
        assert seen.form == {"scope": ["a b"], **form}
        assert seen.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_connections_are_kept_within_a_handshake_and_closed_after() -> None:
    def script(seen: Seen) -> Says:
        return Says(200) if seen.authorization else BASIC_CHALLENGE

    async with Server(script).serving() as server:
        await ask(registries(), draft(server.url))

    assert len(server.seen) == 2
    assert server.connections == 1


async def test_a_broken_tls_record_is_tls() -> None:
    class Broken(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, *_: object, **__: object) -> httpcore2.AsyncNetworkStream:
            raise ssl.SSLError(1, "record layer failure")

    def handshake() -> Handshake:
        try:
            yield Request("GET", Origin("http", "reg.example", 80), "/")
        except Unanswered as silence:
            return Finding(V.UNREACHABLE, {"cause": silence.cause})
        return Finding(V.OK)

    finding = await RegistryClient(Broken()).run(handshake())

    assert finding.evidence == {"cause": "tls"}


def test_a_reply_does_not_show_its_body() -> None:
    assert "canary" not in repr(Reply(200, body=b"canary"))


async def test_nobody_is_told_the_token(caplog: pytest.LogCaptureFixture) -> None:
    def script(seen: Seen) -> Says:
        if seen.path == "/token":
            return token("canary-token")
        if seen.authorization:
            return Says(200)
        return bearer_challenge(f"http://{seen.headers['host']}/token")

    caplog.set_level("DEBUG")
    async with Server(script).serving() as server:
        verdict = await ask(registries(), draft(server.url), f"{server.authority}/team/app")

    assert verdict.kind is V.PUBLIC
    for secret in ("canary-token", PASSWORD, basic(USER, PASSWORD)):
        assert secret not in caplog.text
        assert secret not in repr(verdict)
