"""Reads that wait together on PostgreSQL: what they share, and what they never do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncpg import Connection

from regcred.adapters.storage.postgres import Address, hot_reads, pool
from regcred.adapters.storage.postgres.pool import Pool
from regcred.adapters.storage.postgres.reads import LANES, MAX_BATCH, Reads
from regcred.adapters.storage.sql.rows import Row
from regcred.domain.errors import StoreUnavailable
from regcred.domain.ports import ResolveQuestion
from tests.adapters.storage.samples import HOST, Clock, World
from tests.tools.postgres import Cluster

NAMED = "SELECT name FROM projects WHERE name = ?"
EVERY_ID = "SELECT id FROM projects"


class Counted(Pool):
    """A pool that counts how often it lends."""

    lent = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self.lent += 1
        async with super().connection() as connection:
            yield connection


@pytest.fixture
async def counted(database: Cluster) -> AsyncIterator[Counted]:
    made = Counted(Address(database.url("app", "regcred")), 4)
    yield made
    await made.close()


@pytest.fixture
async def world(postgres_store: object, clock: Clock) -> World:
    return await World(postgres_store, clock).begin()  # type: ignore[arg-type]  # is a Store


async def test_equal_reads_of_one_turn_are_one(world: World, counted: Counted) -> None:
    reads = Reads(counted)
    answers = await asyncio.gather(
        *(reads.all(EVERY_ID, (), world.project.id) for _ in range(MAX_BATCH))
    )

    assert counted.lent == 1
    assert answers == [[(str(world.project.id),)]] * MAX_BATCH
    answers[0].clear()
    assert answers[1], "an answer is its asker's own"


async def test_one_kind_of_read_takes_no_more_than_its_connections(
    world: World, counted: Counted
) -> None:
    reads = Reads(counted)
    slow = [asyncio.create_task(reads.all("SELECT pg_sleep(?)", (0.3,), None))]
    for n in range(2 * LANES):
        await asyncio.sleep(0.01)
        slow.append(asyncio.create_task(reads.all("SELECT pg_sleep(?)", (0.3 + n / 100,), None)))
    await asyncio.sleep(0.01)

    assert counted.lent == LANES
    assert await reads.all(EVERY_ID, (), world.project.id)
    assert len(slow) == len(await asyncio.gather(*slow))


async def test_reads_that_go_together_see_their_own_project_alone(
    world: World, counted: Counted
) -> None:
    projects = [world.project, await world.add_project("beta")]
    reads = Reads(counted)
    asked = [projects[n % 2].id for n in range(6)]
    answers = await asyncio.gather(*(reads.all(EVERY_ID, (), id_) for id_ in asked))

    assert counted.lent == 1
    assert answers == [[(str(id_),)] for id_ in asked]


async def test_what_no_column_can_hold_finds_nothing_and_stops_no_other(
    world: World, counted: Counted
) -> None:
    reads = Reads(counted)
    name = world.project.name
    answers = await asyncio.gather(
        *(reads.all(NAMED, (text,), world.project.id) for text in ("\0", name, "\ud800", name))
    )

    assert answers == [[], [(name,)], [], [(name,)]]
    assert counted.lent == 1


async def test_a_crowd_of_logins_comes_in_answers_of_bounded_size(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.add_key()
    await world.add("wide", "*.example")
    await asyncio.gather(*(world.add(f"c{n}", "r.example") for n in range(90)))
    questions = [ResolveQuestion(key.id, None, HOST, f"app{n}") for n in range(60)]
    alone = await world.store.read_for_resolve(*questions[0])
    fetch, sizes = hot_reads._Lane.fetch, []

    async def counted(*asked: Any) -> list[Row]:
        rows = await fetch(*asked)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(hot_reads._Lane, "fetch", counted)

    assert await world.store.read_for_resolves(questions) == [alone] * 60
    assert len(alone.candidates) == 64
    assert sizes == [2048, 24 * 80, 11 * 80]


async def test_who_gives_up_takes_nobody_elses_answer(world: World, counted: Counted) -> None:
    reads = Reads(counted)
    gone, stays = (asyncio.create_task(reads.all(EVERY_ID, (), world.project.id)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()

    assert await stays == [(str(world.project.id),)]


async def test_a_refused_statement_refuses_all_who_asked(counted: Counted) -> None:
    reads = Reads(counted)
    asked = (reads.all("SELECT nothing FROM projects", (), None) for _ in range(2))
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2


async def test_plans_do_not_outlive_the_size_of_their_tables(
    database: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lending = Pool(Address(database.url("app", "regcred")), 1)

    async def plan() -> str:
        async with lending.connection() as connection:
            return "\n".join(line for (line,) in await connection.fetch("EXPLAIN EXECUTE q(1)"))

    async with lending.connection() as connection:
        await connection.execute("""
            CREATE TEMP TABLE t (n bigint PRIMARY KEY);
            INSERT INTO t VALUES (1);
            ANALYZE t;
            SET plan_cache_mode = force_generic_plan;
            PREPARE q (bigint) AS SELECT n FROM t WHERE n = $1;
        """)
    assert "Seq Scan" in await plan()
    async with lending.connection() as connection:
        await connection.execute("INSERT INTO t SELECT generate_series(2, 5000)")
    assert "Seq Scan" in await plan(), "PostgreSQL plans anew by itself: this is needless"

    monkeypatch.setattr(pool, "_PLANNED_FOR", 0)
    assert "Seq Scan" not in await plan()
    await lending.close()
