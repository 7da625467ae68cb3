"""The port `Registries` on scripted registries: which registry is asked, and what is answered."""

from __future__ import annotations

import asyncio

import pytest

from regcred.adapters.registries.registries import _target
from regcred.domain.credential import Draft
from regcred.domain.errors import InvalidInput, QuotaExceeded
from regcred.domain.ports import Registries
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import NOW, PASSWORD, USER, ask, draft, registries
from tests.adapters.registries.scripted import (
    BASIC_CHALLENGE,
    LOOPBACK,
    Says,
    Seen,
    Server,
    basic,
)
from tests.adapters.registries.ssrf import PUBLIC, Network


def closed(seen: Seen) -> Says:
    """Answer as a registry with one user and one image, team/app."""
    if seen.authorization is None:
        return BASIC_CHALLENGE
    if seen.authorization != basic(USER, PASSWORD):
        return Says(401)
    return Says(404 if seen.method == "HEAD" and "/team/app/" not in seen.target else 200)


def test_it_is_the_port() -> None:
    port: Registries = registries()

    assert port is not None


async def test_a_verdict_says_when_what_and_why() -> None:
    async with Server(closed).serving() as server:
        image = f"{server.authority}/team/app:v1"
        verdict = await ask(registries(), draft(server.url), image)

    assert verdict.kind is V.OK
    assert verdict.checked_at == NOW
    assert verdict.image == image
    assert verdict.evidence["scheme"] == "basic"
    duration = verdict.evidence["duration_ms"]
    assert isinstance(duration, int)
    assert duration % 100 == 0


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("", "/v2/team/app/manifests/latest"),
        (":v1", "/v2/team/app/manifests/v1"),
        ("@sha256:" + "a" * 64, "/v2/team/app/manifests/sha256:" + "a" * 64),
        (":v1@sha256:" + "a" * 64, "/v2/team/app/manifests/sha256:" + "a" * 64),
    ],
)
async def test_the_manifest_of_what_a_pull_would_take_is_asked_for(suffix: str, path: str) -> None:
    async with Server(closed).serving() as server:
        await ask(registries(), draft(server.url), f"{server.authority}/team/app{suffix}")

    assert [seen.path for seen in server.seen if seen.method == "HEAD"] == [path] * 2


async def test_a_bare_host_is_https_unless_the_operator_allows_http() -> None:
    async with Server(closed).serving() as server:
        bare = draft(server.authority)
        assert (await ask(registries(), bare)).kind is V.OK
        assert (await ask(registries(allow_http=(server.authority,)), bare)).kind is V.OK
        for refused in (
            await ask(registries(allow_http=("other.example",)), draft(server.url)),
            await ask(registries(allow_http=(f"{LOOPBACK}:1",)), draft(server.url)),
        ):
            assert refused.kind is V.UNREACHABLE
            assert "operator" in str(refused.evidence["note"])
        seen = len(server.seen)
        https = registries(allow_http=(), deadline=0.3)
        assert (await ask(https, bare)).kind is V.UNREACHABLE
        assert (await ask(registries(deadline=0.3), draft(f"https://{server.authority}"))).kind
        assert len(server.seen) == seen


def test_the_scheme_is_the_urls_or_the_operators() -> None:
    asked = registries(allow_http=("reg.example",))

    for url, expected in (
        ("reg.example", "http://reg.example"),
        ("reg.example:443", "https://reg.example"),
        ("reg.example:443/team", "https://reg.example"),
        ("reg.example:5000", "http://reg.example:5000"),
        ("https://reg.example", "https://reg.example"),
        ("HTTP://reg.example", "http://reg.example"),
    ):
        target = _target(draft(url).delivery, None)
        assert not isinstance(target, str)
        assert str(asked._reach(target)) == expected


async def test_docker_hubs_names_lead_to_its_one_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network({"registry-1.docker.io": (PUBLIC,)})
    network.install(monkeypatch)
    for about, image in (
        (draft("docker.io"), None),
        (draft("https://index.docker.io/v1/"), "redis"),
        (draft("registry.hub.docker.com"), None),
        (draft(None, provider="docker_hub"), "team/app"),
        (draft("docker.io/team", provider="docker_hub"), "team/app"),
    ):
        asked = registries()
        verdict = await ask(asked, asked.check(about), image)
        assert verdict.kind is V.UNREACHABLE

    assert set(network.lookups) == {"registry-1.docker.io"}


@pytest.mark.parametrize("url", [None, "my favourite registry", "ftp://x"])
async def test_a_login_without_a_registry_cannot_be_asked_about(url: str | None) -> None:
    about = draft(url)
    registries().check(about)
    for image in (None, "docker.io/team/app"):
        verdict = await ask(registries(), about, image)

        assert verdict.kind is V.UNSUPPORTED
        assert verdict.evidence["note"]


@pytest.mark.parametrize(
    "about",
    [
        draft("reg.example", provider="bygone"),
        draft("reg.example", bygone="setting"),
        draft("reg.example", ca_bundle="unreadable"),
        draft("reg.example", realm="un readable"),
    ],
)
async def test_what_was_stored_under_other_rules_is_a_verdict(about: Draft) -> None:
    verdict = await ask(registries(), about)

    assert verdict.kind is V.UNSUPPORTED
    assert verdict.evidence["note"]


@pytest.mark.parametrize(
    "image", ["other.example/team/app", "reg.example/teams/app", "reg.example:5000/team/app"]
)
async def test_an_image_outside_the_scope_is_not_asked_for(image: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await ask(registries(), draft("reg.example/team"), image)

    assert refused.value.violations[0].field == "image"


async def test_a_login_for_many_hosts_is_asked_at_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network({"eu.reg.example": (PUBLIC,)})
    network.install(monkeypatch)
    about = draft("*.reg.example")
    with pytest.raises(InvalidInput, match="many hosts"):
        await ask(registries(), about)
    await ask(registries(), about, "eu.reg.example/team/app")

    assert set(network.lookups) == {"eu.reg.example"}


async def test_one_host_is_asked_only_so_often() -> None:
    async with Server(closed).serving() as server:
        asked = registries(per_host_rate=2)
        for _ in range(2):
            await ask(asked, draft(server.url))
        with pytest.raises(QuotaExceeded) as refused:
            await ask(asked, draft(server.url))

    assert refused.value.retry_after >= 1
    assert len(server.authorizations) == 2


async def test_what_nobody_asked_for_leaves_half_of_a_hosts_rate_to_people() -> None:
    async with Server(closed).serving() as server:
        asked = registries(per_host_rate=4)
        unasked = asked.unasked()
        for _ in range(2):
            await ask(unasked, draft(server.url))
        with pytest.raises(QuotaExceeded):
            await ask(unasked, draft(server.url))
        verdicts = [await ask(asked, draft(server.url)) for _ in range(2)]
        with pytest.raises(QuotaExceeded):
            await ask(asked, draft(server.url))

    assert [verdict.kind for verdict in verdicts] == [V.OK, V.OK]


async def test_checks_run_side_by_side_within_the_bound() -> None:
    most = now = 0

    async def drip(seen: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        writer.write(closed(seen).raw(seen.method))

    async with Server(drip=drip).serving() as server:
        asked = registries(max_concurrency=3, deadline=30.0)
        verdicts = await asyncio.gather(*(ask(asked, draft(server.url)) for _ in range(12)))

    assert {verdict.kind for verdict in verdicts} == {V.OK}
    assert most <= 3
