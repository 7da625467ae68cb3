"""A login is seen at its registry and at trusted realms, and nowhere else (threat A39-A41, F10).

Every case runs over real sockets: a registry, the token server it should use, and a thief. Names
stand for ports of this machine, so that look-alike hosts are hosts.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from regcred.adapters.registries.origins import Origin
from regcred.adapters.registries.realm import RealmRule
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import PASSWORD, USER, ask, draft, registries
from tests.adapters.registries.scripted import (
    BASIC_CHALLENGE,
    LOOPBACK,
    Says,
    Script,
    Seen,
    Server,
    basic,
    bearer_challenge,
    grant,
    token,
)
from tests.adapters.registries.ssrf import Network

REPOSITORY = "team/app"


@dataclass(slots=True)
class Town:
    """Three origins: only the first two may ever see the login."""

    registry: Server
    tokens: Server
    thief: Server


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Server().serving()) for _ in range(3)]
        yield Town(*servers)


def any_name(patch: pytest.MonkeyPatch) -> None:
    """Resolve every name to this machine."""

    class Everywhere(Network):
        def _answers(self, name: str) -> list[str]:
            return [LOOPBACK]

    patch.setattr("socket.getaddrinfo", Everywhere()._getaddrinfo)


REGISTRY_NAMES = (
    "registry.example.com",
    "registry",
    "user1.github.io",
    "co.uk",
    "a.azurecr.io",
    "registry-1.docker.io",
    "registry.gitlab.com",
    LOOPBACK,
)


def lookalikes(name: str) -> Iterator[str]:
    """Yield hosts that some laxer rule would take for `name`'s own."""
    parent = name.partition(".")[2] or name
    yield from (
        f"auth.{name}",
        f"{name}.evil.com",
        f"x{name}",
        f"x-{name}",
        f"auth.{parent}",
        f"evil-{parent}",
        f"evil.{parent}",
        "evil.com",
        "metadata",
        "github.io",
        "user2.github.io",
        "b.azurecr.io",
        "auth.docker.io",
        "auth.docker.io.evil.com",
        "gitlab.com.evil.com",
        "localhost",
    )


def spellings(host: str, registry: str, port: int, own_port: int) -> Iterator[str]:
    """Yield realms that lead to `host`, or seem to be the registry's own."""
    yield f"http://{host}:{port}/token"
    yield f"https://{host}:{port}/token"
    yield f"http://{host}.:{port}/token"
    yield f"http://{registry}:{own_port}@{host}:{port}/token"
    yield f"http://{host}:{port}\\@{registry}:{own_port}/token"
    yield f"//{host}:{port}/token"


Record = Callable[[str, object], None]


def tally(what: str, cases: int, *strangers: Server) -> tuple[str, int, int, str]:
    """Return how often a login or token came to an origin that it is not for."""
    return what, cases, sum(len(one.authorizations) for one in strangers), "logins elsewhere"


def test_the_corpus_is_as_large_as_it_says() -> None:
    hosts = [host for name in REGISTRY_NAMES for host in lookalikes(name)]
    realms = len(hosts) * len(list(spellings("a", "b", 1, 2)))

    assert realms + len(THIEVERIES) * len(STATUSES) >= 500


@pytest.mark.parametrize("name", REGISTRY_NAMES)
async def test_no_lookalike_realm_is_sent_anything(
    monkeypatch: pytest.MonkeyPatch, name: str, record_property: Record
) -> None:
    any_name(monkeypatch)
    hosts = tuple(lookalikes(name))
    async with town() as here:
        here.registry.name = name
        named = [host for host in hosts if not host[-1].isdigit()]
        asked = registries(allow_http=(name, *named), per_host_rate=1_000_000)
        for host in hosts:
            for realm in spellings(host, name, here.thief.port, here.registry.port):
                here.registry.script = lambda _, r=realm: bearer_challenge(r, service="x")  # type: ignore[misc]  # mypy cannot type the bound default
                verdict = await ask(
                    asked, draft(here.registry.url), f"{here.registry.authority}/{REPOSITORY}"
                )

                assert verdict.kind is V.UNTRUSTED_REALM, realm
        cases = len(hosts) * len(list(spellings("a", "b", 1, 2)))
        record_property("corpus", tally("realms that look alike", cases, here.thief, here.registry))
        # Not even a question without the login.
        assert here.thief.connections == 0
        assert here.registry.authorizations == []


async def test_no_lookalike_of_a_pinned_realm_is_sent_anything(
    monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    any_name(monkeypatch)
    name, pin = "registry.example.com", "tokens.example.com"
    hosts = [host for host in lookalikes(pin) if not host[-1].isdigit()]
    cases = 0
    async with town() as here:
        here.registry.name = name
        asked = registries(allow_http=(name, pin, *hosts), per_host_rate=1_000_000)
        for host in hosts:
            for realm in spellings(host, pin, here.thief.port, here.tokens.port):
                here.registry.script = lambda _, r=realm: bearer_challenge(r)  # type: ignore[misc]  # mypy cannot type the bound default
                about = draft(here.registry.url, realm=f"http://{pin}:{here.tokens.port}")
                verdict = await ask(asked, about)
                cases += 1

                assert verdict.kind is V.UNTRUSTED_REALM, realm
        strangers = (here.thief, here.tokens, here.registry)
        record_property("corpus", tally("realms that look like the pinned one", cases, *strangers))
        assert here.thief.connections == here.tokens.connections == 0


def registrable_domain(rule: RealmRule, realm: Origin) -> bool:
    return realm.host.split(".")[-2:] == rule.registry.host.split(".")[-2:]


def begins_alike(rule: RealmRule, realm: Origin) -> bool:
    return realm.host.startswith(rule.registry.host)


def anything_goes(_rule: RealmRule, _realm: Origin) -> bool:
    return True


@pytest.mark.parametrize("hole", [registrable_domain, begins_alike, anything_goes])
async def test_a_realm_rule_with_a_hole_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    hole: Callable[[RealmRule, Origin], bool],
    record_property: Record,
) -> None:
    any_name(monkeypatch)
    monkeypatch.setattr(RealmRule, "_own", hole)
    name, cases = "registry.example.com", 0
    async with town() as here:
        here.registry.name = name
        hosts = tuple(lookalikes(name))
        asked = registries(allow_http=(name, *hosts), per_host_rate=1_000_000)
        for host in hosts:
            for realm in spellings(host, name, here.thief.port, here.registry.port):
                if realm.startswith("https"):
                    continue  # The thief has no certificate, and would keep the checker waiting.
                here.registry.script = lambda _, r=realm: bearer_challenge(r)  # type: ignore[misc]  # mypy cannot type the bound default
                await ask(asked, draft(here.registry.url))
                cases += 1
        record_property("corpus", tally("realms, the rule with holes (control)", cases, here.thief))

        assert here.thief.authorizations


Thievery = Callable[[Town, int], Script]
"""Makes a registry that, at one step, answers with a status and headers that lead away."""


def away(here: Town, status: int) -> Says:
    thief = here.thief.url
    return Says(
        status,
        (
            ("Location", f"{thief}/v2/"),
            ("Link", f'<{thief}/v2/>; rel="next"'),
            ("Docker-Upload-Location", f"{thief}/v2/"),
            ("Refresh", f"0; url={thief}/"),
            ("Alt-Svc", f'h2="{thief}"'),
            ("Content-Location", f"{thief}/v2/"),
            ("WWW-Authenticate", f'Bearer realm="{thief}/token"'),
        ),
    )


def at_ping(here: Town, status: int) -> Script:
    return lambda _: away(here, status)


def after_login(here: Town, status: int) -> Script:
    return lambda seen: away(here, status) if seen.authorization else BASIC_CHALLENGE


def at_manifest(here: Town, status: int) -> Script:
    inside = after_login(here, 200)
    return lambda seen: away(here, status) if seen.method == "HEAD" else inside(seen)


def at_token(here: Town, status: int) -> Script:
    here.tokens.script = lambda _: away(here, status)
    return lambda _: bearer_challenge(f"{here.tokens.url}/token")


def at_manifest_with_a_token(here: Town, status: int) -> Script:
    here.tokens.script = lambda _: token(grant(REPOSITORY, "pull"))
    challenge = bearer_challenge(f"{here.tokens.url}/token")
    return lambda seen: away(here, status) if seen.method == "HEAD" else challenge


THIEVERIES = (at_ping, after_login, at_manifest, at_token, at_manifest_with_a_token)
STATUSES = (200, 201, 202, 301, 302, 303, 307, 308, 401, 403, 407)


@pytest.mark.parametrize("username", [USER, "<token>"])
async def test_no_header_leads_a_login_away(username: str, record_property: Record) -> None:
    async with town() as here:
        for thievery, status in itertools.product(THIEVERIES, STATUSES):
            here.registry.script = thievery(here, status)
            about = draft(here.registry.url, username=username, realm=here.tokens.url)
            for image in (None, f"{here.registry.authority}/{REPOSITORY}"):
                await ask(registries(), about, image)

            assert here.thief.connections == 0, (thievery, status)
        cases = len(THIEVERIES) * len(STATUSES) * 2
        record_property("corpus", tally("answers that lead away", cases, here.thief))
        # The harness sees logins where they belong.
        assert here.tokens.authorizations
        assert here.registry.authorizations


async def test_the_password_goes_to_the_realm_and_the_token_to_the_registry() -> None:
    async with town() as here:
        here.tokens.script = lambda seen: token("theirs" if seen.authorization else "anyones")

        def registry(seen: Seen) -> Says:
            if seen.authorization == "Bearer theirs":
                return Says(200)
            return bearer_challenge(f"{here.tokens.url}/token", service="s")

        here.registry.script = registry
        verdict = await ask(
            registries(),
            draft(here.registry.url, realm=here.tokens.authority),
            f"{here.registry.authority}/{REPOSITORY}:v1",
        )

        assert verdict.kind is V.OK
        assert here.tokens.authorizations == [basic(USER, PASSWORD)]
        assert here.registry.authorizations == ["Bearer theirs", "Bearer anyones"]
        assert here.thief.connections == 0


async def test_an_identity_token_goes_to_the_realm_alone() -> None:
    async with town() as here:
        here.tokens.script = lambda _: token("short")
        here.registry.script = lambda _: bearer_challenge(f"{here.tokens.url}/token")
        verdict = await ask(
            registries(), draft(here.registry.url, username="<token>", realm=here.tokens.url)
        )

        assert verdict.kind is V.OK
        assert here.tokens.seen[0].method == "POST"
        assert here.tokens.seen[0].form["refresh_token"] == [PASSWORD]
        assert here.registry.authorizations == []


async def test_a_loop_of_challenges_ends() -> None:
    async with town() as here:
        here.tokens.script = lambda _: bearer_challenge(f"{here.tokens.url}/token")
        here.registry.script = lambda _: bearer_challenge(f"{here.tokens.url}/token")
        verdict = await ask(registries(), draft(here.registry.url, realm=here.tokens.url))

        assert verdict.kind is V.REJECTED
        assert len(here.tokens.seen) == 1


async def test_a_rejected_login_is_tried_once() -> None:
    async with town() as here:
        here.registry.script = lambda _: BASIC_CHALLENGE
        image = f"{here.registry.authority}/{REPOSITORY}"
        verdict = await asyncio.wait_for(ask(registries(), draft(here.registry.url), image), 30)

        assert verdict.kind is V.REJECTED
        assert len(here.registry.authorizations) == 1
