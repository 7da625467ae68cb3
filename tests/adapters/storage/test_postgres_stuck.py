"""A row that somebody keeps locked holds up whoever needs that row, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from regcred.adapters.storage.postgres import PostgresStore, turns, writes
from regcred.adapters.storage.postgres.turns import Turn, Turns
from regcred.adapters.storage.sql import fetch_log
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.bootstrap.waves import Wave
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import StoreUnavailable
from regcred.domain.fetch import KEPT
from regcred.domain.ports import Creation
from tests.adapters.storage.samples import (
    START,
    Clock,
    World,
    a_credential,
    a_reveal,
    event,
    sealed,
)
from tests.tools.postgres import ADMINISTRATOR, Cluster


@pytest.fixture
async def alpha(postgres_store: PostgresStore, clock: Clock) -> World:
    return await World(postgres_store, clock).begin()


@pytest.fixture
async def beta(alpha: World) -> World:
    """Another tenant of the same process."""
    world = World(alpha.store, alpha.clock)
    await alpha.add_project("beta")
    world.project = await world.store.find_project(2)
    return world


@asynccontextmanager
async def locked(database: Cluster, statement: str) -> AsyncIterator[None]:
    """Have a transaction stand open after a statement."""
    connection = await asyncpg.connect(database.url(ADMINISTRATOR, "regcred"))
    try:
        await connection.execute(f"BEGIN; {statement}")
        yield
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()


PROJECT = "SELECT 1 FROM projects WHERE name = 'alpha' FOR UPDATE"
DELETION = """
    DELETE FROM credential_secrets WHERE project_id = {project};
    DELETE FROM credential_scopes WHERE project_id = {project};
    DELETE FROM credentials WHERE project_id = {project}
""".replace("{project}", "(SELECT id FROM projects WHERE name = 'alpha')")

KEYS = "UPDATE api_keys SET name = 'held'"


async def edit(world: World, login: RegistryCredential, to: str) -> None:
    told = event(Action.CREDENTIAL_UPDATED, world.id, login.id)
    await world.store.update_credential(replace(login, description=to), login.version, None, told)


async def test_pulls_go_on_while_a_login_is_being_deleted(
    alpha: World, beta: World, database: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = await alpha.add("mine"), await beta.add("theirs")
    await alpha.store.record_reveal(a_reveal(alpha.id, mine.id, image="r.example/before"))
    monkeypatch.setattr(fetch_log, "LOOK_EVERY", 1)
    all_ = fetch_log._EXCESS.replace(f"OFFSET {KEPT}", "OFFSET 0")
    monkeypatch.setattr(fetch_log, "_EXCESS", all_)
    both = [a_reveal(alpha.id, mine.id), a_reveal(beta.id, theirs.id)]
    async with locked(database, DELETION):
        await alpha.store.record_reveals(both)
        assert await beta.matched("team/app") == ["theirs r.example"]

    fetched = await beta.store.list_fetches(beta.id, theirs.id, None, None, 10)
    assert len(fetched) == 1
    store = alpha.store
    assert isinstance(store, PostgresStore)
    assert list(store._reveal_log._fetches._many) == [(str(alpha.id), str(mine.id))]
    await store.record_reveals(both)
    fetched = await store.list_fetches(alpha.id, mine.id, None, None, 10)
    assert [fetch.image for fetch in fetched] == ["r.example/team/app"]


@pytest.mark.parametrize("at", ["record_reveal", "record_use"])
async def test_what_was_left_to_who_had_it_locked_is_moved_with_the_next_within_the_minute(
    alpha: World, database: Cluster, at: str
) -> None:
    login, other, key = await alpha.add("mine"), await alpha.add("other"), await alpha.add_key()
    moves = getattr(alpha.store, at)
    reveal = a_reveal(alpha.id, login.id, other.id, principal=f"key:{key.id}")
    async with locked(database, DELETION), locked(database, KEYS):
        await moves(reveal)
        assert (await alpha.store.find_credential(alpha.id, login.id)).last_used_at is None
    await moves(reveal)

    for id_ in (login.id, other.id):
        assert (await alpha.store.find_credential(alpha.id, id_)).last_used_at == START
        assert len(await alpha.store.list_fetches(alpha.id, id_, None, None, 10)) == 1
    assert (await alpha.store.find_key(alpha.id, key.id)).key.last_used_at == START
    store = alpha.store
    assert isinstance(store, PostgresStore)
    before = store.commits
    await store.record_use(reveal)
    assert store.commits - before == (at == "record_reveal")


async def test_a_locked_project_holds_up_its_own_creates_alone(
    alpha: World, beta: World, database: Cluster
) -> None:
    async with locked(database, PROJECT):
        waiting = [asyncio.create_task(alpha.add(f"mine-{n}")) for n in range(2)]
        wave = Wave[Creation, RegistryCredential](alpha.store.create_credentials)
        login, other = a_credential(alpha.id, "mine-2"), a_credential(beta.id, "theirs")
        waiting.append(asyncio.ensure_future(wave(Creation(login, sealed(), alpha.created(login)))))
        assert (await wave(Creation(other, sealed(), beta.created(other)))).number == 1
        assert (await beta.add("too")).number == 2
        assert not any(task.done() for task in waiting)

    assert [(await task).number for task in waiting] == [1, 2, 3]
    store = alpha.store
    assert isinstance(store, PostgresStore)
    assert not store._held


async def test_writes_that_wait_for_two_projects_rows_leave_connections_to_all_others(
    alpha: World, beta: World, database: Cluster
) -> None:
    mine, theirs = await alpha.add("mine"), await beta.add("theirs")
    await alpha.add_project("gamma")
    gamma = World(alpha.store, alpha.clock)
    gamma.project = await gamma.store.find_project(3)
    free = await gamma.add("free")
    async with locked(database, PROJECT.replace("= 'alpha'", "<> 'gamma'")):
        waiting = [
            asyncio.create_task(edit(world, login, str(n)))
            for n in range(10)
            for world, login in ((alpha, mine), (beta, theirs))
        ]
        await asyncio.sleep(0.05)
        await edit(gamma, free, "edited")
        await gamma.store.record_reveal(a_reveal(gamma.id, free.id))
        assert await gamma.names() == ["free"]
        assert not any(task.done() for task in waiting)

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome is None] == [None, None]


async def test_one_of_a_place_stands_at_its_row_and_no_longer_than_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = Turns(most=2, of_one=2)
    async with some.turn("a") as first:
        second = asyncio.create_task(some.turn("a").__aenter__())
        async with some.turn("b"):
            assert not second.done()
        first.has_row()
        assert 4000 < (await second).wait <= 5000

    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.02)
    async with some.turn("c") as late:
        assert 0 < late.wait <= 20
    assert Turn().wait == 5000


async def test_whoever_gets_no_turn_is_told_and_those_that_go_are_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.01)
    some = Turns(most=2, of_one=1)
    async with some.turn("a"):
        with pytest.raises(StoreUnavailable, match="wait for a row"):
            async with some.turn("a"):
                pass
        async with some.turn("b"):
            with pytest.raises(StoreUnavailable, match="wait for a row"):
                async with some.turn("c"):
                    pass
        monkeypatch.setattr(turns, "MAX_WAITING", 1)
        with pytest.raises(StoreUnavailable, match="too many"):
            async with some.turn("c"):
                pass

    monkeypatch.undo()
    async with some.turn("a"), some.turn("c"):
        assert set(some._places) == {"a", "c"}
    assert not some._places


async def test_a_process_that_hangs_loses_its_row_to_who_waits_for_it(
    alpha: World, database: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = writes._LIMITS.replace(f"'{writes.IDLE_SECONDS}s'", "'50ms'")
    monkeypatch.setattr(writes, "_LIMITS", limits)
    has_it, lost = asyncio.Event(), asyncio.Event()

    async def hang(_: Transaction) -> None:
        has_it.set()
        await lost.wait()

    store = alpha.store
    assert isinstance(store, PostgresStore)
    hangs = asyncio.create_task(store._write(hang, of=alpha.id))
    await has_it.wait()
    try:
        async with locked(database, f"SET LOCAL lock_timeout = '2s'; {PROJECT}"):
            lost.set()
            with pytest.raises(StoreUnavailable):
                await hangs
    finally:
        lost.set()
