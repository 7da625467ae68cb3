"""What a registry wants of a login, found out without one: never more than one question."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.registries.messages import (
    Finding,
    Reply,
    Request,
    Unanswered,
    Unreadable,
)
from regcred.adapters.registries.origins import HttpHosts, Origin
from regcred.adapters.registries.probe import probe
from regcred.adapters.registries.realm import RealmRule
from regcred.domain.errors import InvalidInput, QuotaExceeded
from regcred.domain.verdict import Probe
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import NOW, registries
from tests.adapters.registries.scripted import (
    BASIC_CHALLENGE,
    Server,
    bearer_challenge,
    token,
)
from tests.adapters.registries.ssrf import PUBLIC, Network

REGISTRY = Origin("https", "reg.example", 443)
HUB = Origin("https", "registry-1.docker.io", 443)
BASIC = 'Basic realm="here"'
OWN = 'Bearer realm="https://reg.example/token",service="reg"'
ELSEWHERE = 'Bearer realm="https://auth.example/token"'


def found(
    said: Reply | Unanswered | Unreadable, registry: Origin = REGISTRY, pinned: str | None = None
) -> tuple[Finding, Request]:
    """Answer the one question; a second one fails the test."""
    handshake = probe(registry, RealmRule(registry, HttpHosts(), pinned), lambda: NOW)
    request = next(handshake)
    answer = handshake.send if isinstance(said, Reply) else handshake.throw
    with pytest.raises(StopIteration) as end:
        answer(said)  # type: ignore[arg-type]  # each takes its own kind
    return end.value.value, request


def asks(*challenges: str, **headers: str) -> Reply:
    named = (("www-authenticate", text) for text in challenges)
    return Reply(401, (*named, *headers.items()))


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (asks(BASIC), V.OK, {"scheme": "basic"}),
        (asks(OWN), V.OK, {"scheme": "bearer", "realm_host": "reg.example"}),
        (asks(BASIC, OWN), V.OK, {"scheme": "bearer", "realm_host": "reg.example"}),
        (asks(ELSEWHERE), V.UNTRUSTED_REALM, {"scheme": "bearer", "realm_host": "auth.example"}),
        (asks(ELSEWHERE, BASIC), V.UNTRUSTED_REALM, {"realm_host": "auth.example"}),
        (asks(OWN, ELSEWHERE), V.UNTRUSTED_REALM, {}),
        (asks("Bearer service=x"), V.UNTRUSTED_REALM, {"scheme": "bearer"}),
        (asks('Bearer realm="http://reg.example/token"'), V.UNTRUSTED_REALM, {}),
        (asks('Bearer realm="https://r.example",realm="https://s.example"'),
         V.UNTRUSTED_REALM, {"scheme": "bearer"}),
        (asks(), V.UNSUPPORTED, {}),
        (asks('Bearer realm="'), V.UNSUPPORTED, {}),
        (asks("Negotiate"), V.UNSUPPORTED, {}),
        (Reply(200), V.PUBLIC, {"scheme": "none"}),
        (Reply(200, body=b"<html>"), V.NOT_A_REGISTRY, {}),
        (Reply(404), V.NOT_A_REGISTRY, {"ping_status": 404}),
        (Reply(302, (("location", "https://new.example/v2/"),)), V.NOT_A_REGISTRY,
         {"redirect_host": "new.example"}),
        (Reply(403), V.UNSUPPORTED, {}),
        (Reply(429), V.RATE_LIMITED, {"ping_status": 429}),
        (Reply(503), V.UNREACHABLE, {"cause": "server_error"}),
        (Unanswered("tls"), V.UNREACHABLE, {"cause": "tls"}),
        (Unreadable("An answer without end."), V.NOT_A_REGISTRY, {}),
    ],
)  # fmt: skip
def test_one_answer_is_one_finding(
    said: Reply | Unanswered | Unreadable, kind: V, told: dict[str, object]
) -> None:
    finding, request = found(said)

    assert finding.kind is kind
    assert {**finding.evidence, **told} == finding.evidence
    assert finding.evidence["encrypted"] is True
    assert (request.method, request.target, request.proof) == ("GET", "/v2/", None)
    assert kind in {V.OK, V.RATE_LIMITED} or {"note", "cause", "ping_status"} & {*finding.evidence}


def test_a_realm_is_trusted_by_the_table_and_by_a_pin() -> None:
    hub = asks('Bearer realm="https://auth.docker.io/token",service="registry.docker.io"')

    assert found(hub, HUB)[0].kind is V.OK
    assert found(asks(ELSEWHERE), pinned="auth.example")[0].kind is V.OK
    assert found(asks(ELSEWHERE), pinned="other.example")[0].kind is V.UNTRUSTED_REALM


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Sat, 21 Nov 2026 12:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 11:59:59 GMT", 0),
        ("Sat, 21 Nov 2026 12:05:00 GMT", 300),
        ("Sat, 21 Nov 2026 11:59:30 -0000", -29),
        ("Sat, 21 Nov 2026 14:00:00 +0200", 0),
        ("yesterday", None),
        ("Sat, 21 Nov 99999 12:00:00 GMT", None),
        ("Sat, 21 Nov 99999999999999999999 12:00:00 GMT", None),
        ("", None),
    ],
)
def test_how_far_its_clock_is_ahead(date: str, skew: int | None) -> None:
    assert found(asks(BASIC, date=date))[0].evidence.get("clock_skew_s") == skew


def test_a_slow_answer_is_no_wrong_clock() -> None:
    moments = iter([NOW, NOW + timedelta(seconds=9)])
    handshake = probe(REGISTRY, RealmRule(REGISTRY, HttpHosts()), lambda: next(moments))
    next(handshake)
    with pytest.raises(StopIteration) as end:
        handshake.send(asks(BASIC, date="Sat, 21 Nov 2026 12:00:04 GMT"))

    assert end.value.value.evidence["clock_skew_s"] == 0


@given(
    st.integers(100, 599),
    st.text(st.characters(max_codepoint=255), max_size=80),
    st.text(st.characters(max_codepoint=255), max_size=40),
)
def test_no_answer_breaks_it(status: int, challenge: str, date: str) -> None:
    said = Reply(status, (("www-authenticate", challenge), ("date", date)))

    assert found(said)[0].kind in V


async def ask(
    registry_url: str, *, settings: dict[str, str] | None = None, **more: object
) -> Probe:
    return await registries(**more).probe(registry_url, settings or {})


async def test_the_token_server_is_judged_and_not_asked() -> None:
    async with Server(lambda _: token("t")).serving() as realm:
        told = bearer_challenge(f"{realm.url}/token", service="s", scope="repository:a:pull")
        async with Server(lambda _: told).serving() as registry:
            refused = await ask(registry.url)
            pinned = await ask(registry.url, settings={"realm": realm.authority})

    assert (refused.kind, pinned.kind) == (V.UNTRUSTED_REALM, V.OK)
    assert pinned.evidence["realm_host"] == refused.evidence["realm_host"] == realm.authority
    assert pinned.evidence["encrypted"] is False
    assert [seen.target for seen in registry.seen] == ["/v2/", "/v2/"]
    assert registry.authorizations == []
    assert realm.connections == 0


async def test_a_finding_says_when_and_how_long() -> None:
    async with Server(lambda _: BASIC_CHALLENGE).serving() as registry:
        probed = await ask(f"{registry.url}/v2/team/app")

    assert (probed.kind, probed.asked_at) == (V.OK, NOW)
    assert probed.registry == registry.authority
    duration = probed.evidence["duration_ms"]
    assert isinstance(duration, int)
    assert duration % 100 == 0
    assert probed.next_step


async def test_plain_http_is_the_operators_to_allow() -> None:
    async with Server(lambda _: BASIC_CHALLENGE).serving() as registry:
        refused = await ask(registry.url, allow_http=())

        assert refused.kind is V.UNREACHABLE
        assert "operator" in str(refused.evidence["note"])
        assert registry.connections == 0


async def test_a_forbidden_network_and_a_closed_port_look_alike() -> None:
    async with Server(lambda _: BASIC_CHALLENGE).serving() as registry:
        forbidden = await ask(registry.url, allow_networks=())
        assert registry.connections == 0
    closed = await ask(registry.url)

    assert (closed.kind, closed.evidence) == (forbidden.kind, forbidden.evidence)
    assert forbidden.kind is V.UNREACHABLE


async def test_docker_hub_is_asked_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network({"registry-1.docker.io": (PUBLIC,)})
    network.install(monkeypatch)
    for name in ("docker.io", "https://index.docker.io/v1/"):
        assert (await ask(name)).kind is V.UNREACHABLE

    assert set(network.lookups) == {"registry-1.docker.io"}


async def test_one_host_is_probed_only_so_often() -> None:
    async with Server(lambda _: BASIC_CHALLENGE).serving() as registry:
        asked = registries(per_host_rate=1)
        await asked.probe(registry.url, {})
        with pytest.raises(QuotaExceeded):
            await asked.probe(registry.url, {})
        refused = registries(per_host_rate=1, allow_http=())
        await refused.probe(registry.url, {})
        with pytest.raises(QuotaExceeded):
            await refused.probe(registry.url, {})

    assert len(registry.seen) == 1


@pytest.mark.parametrize(
    ("registry_url", "settings", "field"),
    [
        ("*.reg.example", {}, "registry_url"),
        ("my favourite registry", {}, "registry_url"),
        ("reg.example", {"key": "x"}, "settings.key"),
        ("reg.example", {"ca_bundle": "unreadable"}, "settings.ca_bundle"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    registry_url: str, settings: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await ask(registry_url, settings=settings)

    assert refused.value.violations[0].field == field
