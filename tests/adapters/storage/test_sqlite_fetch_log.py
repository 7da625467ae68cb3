"""What fetches cost the only writer: bounded, whoever asks with whatever made-up names."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from regcred.adapters.storage.sql import fetch_log
from regcred.adapters.storage.sql.fetch_log import LOOK_EVERY
from regcred.adapters.storage.sqlite.store import SqliteStore
from regcred.adapters.storage.sqlite.transaction import SqliteTransaction
from regcred.domain.errors import StoreUnavailable
from tests.adapters.storage.samples import START, Clock, World, a_reveal


def trace(store: SqliteStore) -> list[str]:
    """Return a list that grows by every statement that the writer runs."""
    run: list[str] = []
    store._writer._connection.set_trace_callback(run.append)
    return run


async def test_a_hand_out_of_many_logins_costs_as_many_statements_as_one(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    logins = [(await sqlite_world.add(f"c{n}")).id for n in range(200)]
    run = trace(sqlite_store)
    costs = []
    for ids in (logins[:1], logins):
        run.clear()
        await sqlite_store.record_reveal(a_reveal(sqlite_world.id, *ids, node=f"{len(ids)}"))
        costs.append(len(run))

    assert costs[1] <= costs[0] < 10
    for id_ in logins:
        assert await sqlite_store.list_fetches(sqlite_world.id, id_, None, None, 10)


async def test_logins_handed_out_together_are_not_all_looked_at_by_one_write(
    sqlite_world: World, sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come to it all at once, and what is too much of each is dropped in the end."""
    monkeypatch.setattr(fetch_log, "_EXCESS", fetch_log._EXCESS.replace("OFFSET 1000", "OFFSET 2"))
    logins = [(await sqlite_world.add(f"c{n}")).id for n in range(100)]
    run = trace(sqlite_store)
    looks = []
    for n in range(3 * LOOK_EVERY):
        run.clear()
        at = START + timedelta(seconds=n)
        await sqlite_store.record_reveal(a_reveal(sqlite_world.id, *logins, at=at, node=f"n{n}"))
        looks.append(sum("OFFSET 2\n" in one for one in run))

    assert looks[: LOOK_EVERY - 1] == [0] * (LOOK_EVERY - 1)
    assert max(looks) == 1 + len(logins) // LOOK_EVERY
    for id_ in logins:
        left = await sqlite_store.list_fetches(sqlite_world.id, id_, None, None, 1000)
        assert len(left) <= 2 + 2 * LOOK_EVERY
        assert await sqlite_store.fetches_lost_at(sqlite_world.id, id_) is not None


async def test_a_principals_newer_fetch_is_looked_for_among_its_own(
    sqlite_store: SqliteStore,
) -> None:
    """Among all, by time, a look at 2,000 would take a second of the only writer's."""
    plan = await sqlite_store._all(f"EXPLAIN QUERY PLAN {fetch_log._FORGET_REPEATED}", ("",) * 4)

    (newer,) = [str(step[-1]) for step in plan if "newer" in str(step[-1])]
    assert "principal=?" in newer


async def test_what_is_counted_is_bounded(sqlite_world: World, sqlite_store: SqliteStore) -> None:
    log = sqlite_store._writer._reveals._fetches = fetch_log.FetchLog(remembered=2)
    for n in range(5):
        login = await sqlite_world.add(f"c{n}")
        await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))

    assert len(log._moved) <= 2


async def test_what_is_remembered_of_a_way_is_small(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    logins = [(await sqlite_world.add(f"c{n}")).id for n in range(50)]
    await sqlite_store.record_reveal(a_reveal(sqlite_world.id, *logins, image="r.example/" * 100))

    (way,) = sqlite_store._writer._reveals._fetches._recent._moved
    assert sys.getsizeof(way) < 64


async def test_a_commit_that_failed_has_moved_nothing(
    sqlite_world: World, sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same ask within the minute moves it, as if nothing had been before."""
    login = await sqlite_world.add()

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(SqliteTransaction, "commit", fail)
        with pytest.raises(StoreUnavailable):
            await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))
    await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))

    assert len(await sqlite_store.list_fetches(sqlite_world.id, login.id, None, None, 10)) == 1
    found = await sqlite_store.find_credential(sqlite_world.id, login.id)
    assert found.last_used_at == START


async def test_who_polls_costs_a_commit_a_minute_at_most(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    login = await sqlite_world.add()
    commits = []
    for seconds in (0, 15, 30, 45, 60):
        at = START + timedelta(seconds=seconds)
        await sqlite_store.record_use(a_reveal(sqlite_world.id, login.id, at=at))
        commits.append(sqlite_store.commits)

    assert commits == [commits[0]] * 4 + [commits[0] + 1]


@pytest.mark.parametrize("broken", ["commit", "change"])
async def test_a_use_that_cannot_be_written_fails_nobody_and_is_tried_again(
    sqlite_world: World, sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    login = await sqlite_world.add()

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(
            f"regcred.adapters.storage.sqlite.transaction.SqliteTransaction.{broken}", fail
        )
        await sqlite_store.record_use(a_reveal(sqlite_world.id, login.id))
    assert await sqlite_store.list_fetches(sqlite_world.id, login.id, None, None, 10) == []
    await sqlite_store.record_use(a_reveal(sqlite_world.id, login.id))

    assert len(await sqlite_store.list_fetches(sqlite_world.id, login.id, None, None, 10)) == 1
    found = await sqlite_store.find_credential(sqlite_world.id, login.id)
    assert found.last_used_at == START


async def test_a_store_that_was_opened_again_moves_nothing_back(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path, clock: Clock
) -> None:
    """What is remembered is gone then, and a clock may have been set back meanwhile."""
    login, later = await sqlite_world.add(), START + timedelta(hours=1)
    await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id, at=later))
    await asyncio.to_thread(sqlite_store.close)
    with closing(SqliteStore.open(directory, clock=clock)) as again:
        await again.record_reveal(a_reveal(sqlite_world.id, login.id))
        (fetch,) = await again.list_fetches(sqlite_world.id, login.id, None, None, 10)

    assert (fetch.first_at, fetch.last_at) == (later, later)


async def test_transactions_that_look_at_once_look_at_each_login_once() -> None:
    """On PostgreSQL they run side by side, and share what is to be looked at."""

    class Slow(SqliteTransaction):
        async def one(self, _statement: str, parameters: Iterable[object] = ()) -> None:
            await asyncio.sleep(0)
            looked_at.append(tuple(parameters))

    looked_at: list[tuple[object, ...]] = []
    log = fetch_log.FetchLog()
    log._many = {("p", f"c{n}"): None for n in range(5)}
    slow = Slow(sqlite3.connect(":memory:"), None)
    await asyncio.gather(*(log._look(slow, 3) for _ in range(3)))

    assert sorted(looked_at) == [("p", f"c{n}") for n in range(5)]
