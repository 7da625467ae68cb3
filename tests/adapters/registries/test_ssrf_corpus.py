"""No forbidden address is ever connected to, however it is spelled or resolved (threat A36-A38)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2
import pytest

from regcred.adapters.registries import addresses, transport
from regcred.adapters.registries.realm import pinned_origins
from regcred.adapters.registries.transport import DestinationRefused, GuardedBackend
from regcred.domain.errors import InvalidInput
from regcred.domain.verdict import VerdictKind
from tests.adapters.registries.asking import ask, draft, registries
from tests.adapters.registries.scripted import Says, Server, bearer_challenge
from tests.adapters.registries.ssrf import (
    ANSWERS,
    ENCODINGS,
    LEGITIMATE,
    PORTS,
    PUBLIC,
    TARGETS,
    Network,
    attempt,
    forbidden,
)
from tests.adapters.registries.ssrf_spellings import NAMES, URLS

Record = Callable[[str, object], None]
Case = tuple[str, int]


def spelled() -> Iterator[Case]:
    """Yield every target in every spelling, as the host of a connection."""
    for encode in ENCODINGS.values():
        for target in TARGETS:
            for port in PORTS:
                yield encode(target), port


def resolved() -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    """Yield names with their answers, look-up by look-up."""
    for number, address in enumerate(forbidden()):
        for kind, answers in ANSWERS.items():
            yield f"n{number}-{kind.replace(' ', '-')}.example", (answers(address),)
        yield f"n{number}-rebinds-second.example", (PUBLIC, (address,))
        yield f"n{number}-rebinds-third.example", (PUBLIC, PUBLIC, (address,))


def urls() -> Iterator[str]:
    """Yield every target in every URL that hides it, to type in as a registry or as a realm."""
    for url in URLS:
        for target in TARGETS:
            yield url.format(t=target)


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(ENCODINGS) >= 31
    assert len(TARGETS) >= 14
    cases = {*spelled(), *resolved(), *((url, 443) for url in urls())}
    assert len(cases) >= 5000
    assert len(set(LEGITIMATE)) >= 50


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    network.install(monkeypatch)
    return network


def tally(what: str, cases: int, network: Network) -> tuple[str, int, int, str]:
    return what, cases, len(network.violations), "forbidden connects"


async def try_spelled(backend: httpcore2.AsyncNetworkBackend) -> list[Any]:
    return [
        await attempt(lambda host=host, port=port: backend.connect_tcp(host, port))  # type: ignore[misc]  # mypy cannot type the bound defaults
        for host, port in spelled()
    ]


async def try_resolved(backend: httpcore2.AsyncNetworkBackend, network: Network) -> None:
    """Connect as often as the name has answers, as a client with retries would."""
    for name, rounds in resolved():
        network.names[name] = rounds
        for _ in rounds:
            await attempt(lambda name=name: backend.connect_tcp(name, 443))  # type: ignore[misc]  # mypy cannot type the bound default


async def test_no_spelling_reaches_a_forbidden_address(
    network: Network, record_property: Record
) -> None:
    outcomes = await try_spelled(GuardedBackend())

    record_property("corpus", tally("spellings of addresses", len(outcomes), network))
    assert network.attempts == []
    # Refused before any connection, and with one face.
    assert set(outcomes) == {DestinationRefused}


async def test_no_answer_of_the_resolver_reaches_a_forbidden_address(
    network: Network, record_property: Record
) -> None:
    await try_resolved(GuardedBackend(), network)

    cases = len(list(resolved()))
    record_property("corpus", tally("answers of the resolver", cases, network))
    assert network.violations == []
    assert network.attempts
    # One look-up a connection: nothing is asked again between check and use.
    assert all(network.lookups[name] == len(rounds) for name, rounds in resolved())


async def test_no_name_that_leads_inside_is_followed(network: Network) -> None:
    for name in NAMES:
        for inside in ("127.0.0.1", "::1", "10.96.0.1", "169.254.169.254"):
            network.names[name] = ((inside,),)
            await attempt(lambda name=name: GuardedBackend().connect_tcp(name, 443))  # type: ignore[misc]  # mypy cannot type the bound default

    assert network.attempts == []


async def test_the_same_harness_catches_an_unguarded_backend(
    network: Network, record_property: Record
) -> None:
    unguarded = httpcore2.AnyIOBackend()

    await try_spelled(unguarded)
    spelled_hits = len(network.violations)
    await try_resolved(unguarded, network)

    cases = len([*spelled(), *resolved()])
    record_property("corpus", tally("the same without a guard (control)", cases, network))
    assert spelled_hits > 1000
    assert len(network.violations) - spelled_hits > 1000


def looked_up_twice(patch: pytest.MonkeyPatch) -> None:
    async def connect_tcp(
        guard: GuardedBackend, host: str, port: int, *_: Any, **__: Any
    ) -> httpcore2.AsyncNetworkStream:
        await guard._checked(host, port)
        return await httpcore2.AnyIOBackend().connect_tcp(host, port)

    patch.setattr(GuardedBackend, "connect_tcp", connect_tcp)


def global_by_the_library(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transport, "public", lambda address: address.is_global)


def translations_allowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(addresses, "_PUBLIC_IPV6", ipaddress.IPv6Network("::/0"))


def private_by_the_library(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transport, "public", lambda address: not address.is_private)


def zones_allowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        transport, "public", lambda address: addresses.public(type(address)(int(address)))
    )


HOLES = (
    looked_up_twice,
    global_by_the_library,
    private_by_the_library,
    translations_allowed,
    zones_allowed,
)


@pytest.mark.parametrize("hole", HOLES)
async def test_a_guard_with_a_hole_is_caught(
    network: Network, monkeypatch: pytest.MonkeyPatch, hole: Callable[[pytest.MonkeyPatch], None]
) -> None:
    hole(monkeypatch)
    await try_spelled(GuardedBackend())
    await try_resolved(GuardedBackend(), network)

    assert network.violations


async def test_every_legitimate_registry_is_reached(
    network: Network, record_property: Record
) -> None:
    backend = GuardedBackend()
    for name in LEGITIMATE:
        network.names[name] = (PUBLIC,)
        network.attempts.clear()
        await attempt(lambda name=name: backend.connect_tcp(name, 443))  # type: ignore[misc]  # mypy cannot type the bound default

        assert network.attempts == list(PUBLIC), name

    record_property("corpus", ("legitimate registries", len(LEGITIMATE), 0, "refused"))


async def test_a_credential_never_leads_to_a_forbidden_address(network: Network) -> None:
    asked = registries(allow_networks=(), allow_http=(), per_host_rate=1_000_000)
    for encode in ENCODINGS.values():
        for target in TARGETS:
            for scheme in ("https://", "http://", ""):
                try:
                    verdict = await ask(asked, draft(f"{scheme}{encode(target)}/team"))
                except InvalidInput:
                    continue
                assert verdict.kind in {VerdictKind.UNREACHABLE, VerdictKind.UNSUPPORTED}

    assert network.attempts == []


async def test_no_url_leads_to_a_forbidden_address(
    network: Network, record_property: Record
) -> None:
    """Typed in as a registry, or pinned as a realm: refused, or refused at the connection."""
    asked = registries(allow_networks=(), allow_http=(), per_host_rate=1_000_000)
    cases = 0
    for url in urls():
        cases += 2
        with suppress(InvalidInput):
            verdict = await ask(asked, asked.check(draft(url)))
            assert verdict.kind in {VerdictKind.UNREACHABLE, VerdictKind.UNSUPPORTED}
        with suppress(ValueError):
            for origin in pinned_origins(url):
                await attempt(lambda o=origin: GuardedBackend().connect_tcp(*o.place))  # type: ignore[misc]  # mypy cannot type the bound default

    record_property("corpus", tally("registries and realms as URLs", cases, network))
    assert network.attempts == []


def test_what_is_accepted_is_one_host_to_every_parser() -> None:
    """A URL that two parsers take for two places is refused, not translated."""
    accepted = 0
    for url in (*urls(), *(f"https://{name}:443/v2/?x=1" for name in LEGITIMATE)):
        if "://" not in url:
            continue
        try:
            (origin,) = pinned_origins(url)
        except ValueError:
            continue
        accepted += 1
        assert urlsplit(url).hostname == origin.host
        assert httpx2.URL(url).raw_host.decode() == origin.host
        assert {urlsplit(url).port, httpx2.URL(url).port} <= {origin.port, None}

    assert accepted > len(LEGITIMATE)


async def test_a_trusted_realm_name_goes_through_the_same_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(lambda _: bearer_challenge("http://tokens.example:5000/token"))
    async with server.serving():
        network = Network({"tokens.example": (("10.0.0.5",),)})
        monkeypatch.setattr("socket.getaddrinfo", network._getaddrinfo)
        asked = registries(allow_http=("127.0.0.1", "tokens.example"))
        verdict = await ask(asked, draft(server.url, realm="http://tokens.example:5000"))

    assert verdict.kind is VerdictKind.UNREACHABLE
    assert verdict.evidence["cause"] == "connect"
    assert network.lookups["tokens.example"] == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirects_lead_nowhere(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    for target in TARGETS:
        server = Server(lambda _, t=target: Says(code, (("Location", f"http://{t}/v2/"),)))  # type: ignore[misc]  # mypy cannot type the bound default
        elsewhere = Network()
        async with server.serving():
            real = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

            async def sock_connect(
                loop: Any, sock: Any, address: Any, real: Any = real, to: Network = elsewhere
            ) -> None:
                to.attempts.append(f"{address[0]}:{address[1]}")
                await real(loop, sock, address)

            with monkeypatch.context() as patch:
                patch.setattr(
                    asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect
                )
                verdict = await ask(registries(), draft(server.url))

        assert verdict.kind is VerdictKind.NOT_A_REGISTRY
        assert verdict.evidence["redirect_host"] == target
        assert elsewhere.attempts == [server.authority]
        assert server.authorizations == []
