"""The checker at registries that do what no registry should (tests/tools/misbehaviours.py)."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from pathlib import Path

import pytest

from regcred.adapters.registries.registries import RealRegistries
from regcred.domain.verdict import Verdict
from tests.adapters.registries.asking import ask, draft, registries
from tests.house.source import ROOT
from tests.tools.misbehaving import Behaviour, Served, serving
from tests.tools.misbehaviours import BEHAVIOURS, BY_NAME
from tests.tools.programs import Daemon, environment, run

SOON = 0.8
"""Seconds for a whole check, where a registry would take for ever."""

AT_MOST = 30.0
"""A check that is still going then hangs, on however busy a machine."""

MEMORY = 8 * 1024 * 1024
"""Server and checker together, in bytes; what they are sent is without end."""

ALL = pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda one: one.name)


def checker(behaviour: Behaviour) -> RealRegistries:
    endless = behaviour.cause == "timeout"
    return registries(deadline=SOON if endless else AT_MOST, per_host_rate=1_000_000)


async def check(behaviour: Behaviour, served: Served, image: str | None = None) -> Verdict:
    registry = served.town.registry
    trusted = {"ca_bundle": served.authority} if served.authority else {}
    about = draft(registry.url, **trusted)
    asked = ask(checker(behaviour), about, image and f"{registry.authority}/{image}")
    return await asyncio.wait_for(asked, AT_MOST)


@ALL
@pytest.mark.parametrize("image", [None, "team/app:v1"])
async def test_each_has_its_verdict_in_time_and_no_login_goes_astray(
    behaviour: Behaviour, image: str | None
) -> None:
    async with serving(behaviour) as served:
        variants = behaviour.variants(served.town) if behaviour.variants else ("",)
        for variant in variants:
            verdict = await check(behaviour, served, image)

            assert verdict.kind == behaviour.verdict, variant
            assert verdict.evidence.get("cause", "") == behaviour.cause, variant
        town = served.town
        assert town.stranger.connections == 0
        assert town.registry.logins == 0 or behaviour.may_see_login
        assert town.registry.logins <= 1


@pytest.mark.parametrize(
    "name", ["gzip-bomb", "endless-chunks", "endless-body", "header-flood", "huge-header"]
)
async def test_what_has_no_end_takes_no_memory(name: str) -> None:
    async with serving(BY_NAME[name]) as served:
        await check(BY_NAME[name], served)
        tracemalloc.start()
        try:
            for _ in range(3):
                await check(BY_NAME[name], served)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < MEMORY


async def test_the_strangers_count_would_be_seen() -> None:
    """A client that trusts every realm is found out."""
    behaviour = BY_NAME["realm-elsewhere"]
    async with serving(behaviour) as served:
        town = served.town
        about = draft(town.registry.url, realm=town.stranger.authority)
        await asyncio.wait_for(ask(checker(behaviour), about), AT_MOST)

        assert town.stranger.logins == 1


def program(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "tools" / "misbehaving_registry.py"), *arguments]


def test_the_program_lists_what_it_can_do(tmp_path: Path) -> None:
    told = run(program("--list"), env=environment(tmp_path))

    assert told.code == 0
    for behaviour in BEHAVIOURS:
        assert f"{behaviour.name} " in told.out
        assert behaviour.does in told.out


def test_the_page_describes_every_behaviour_and_no_other() -> None:
    page = (ROOT / "docs" / "misbehaving-registry.md").read_text()
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `")]
    told = [tuple(cell.strip(" `") for cell in row) for row in rows]
    known = [
        (one.name, one.does, f"{one.verdict}` ({one.cause})" if one.cause else one.verdict)
        for one in BEHAVIOURS
    ]

    assert told == known


async def test_the_program_serves_one_and_says_who_was_asked(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    daemon = Daemon(
        program("--behaviour", "realm-http", "--ca", str(ca)),
        env=environment(tmp_path),
        logs=tmp_path,
        name="misbehaving",
    )
    try:
        await asyncio.to_thread(daemon.wait_ready, lambda: "verdict" in daemon.text)
        url = daemon.text.split()[1]
        verdict = await ask(registries(), draft(url, ca_bundle=ca.read_text()))
    finally:
        await asyncio.to_thread(daemon.stop)

    assert url.startswith("https://127.0.0.1:")
    assert verdict.kind == "untrusted_realm"
    assert "registry: 1 connections, 1 requests, 0 with a login or token" in daemon.text
    assert "stranger: 0 connections" in daemon.text
