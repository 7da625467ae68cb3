"""What every store promises about wrong API keys: nobody is told the same count twice."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.ports import Count, Store, WrongKeys
from tests.adapters.storage.samples import START, Clock

HERE, THERE = "192.0.2.1", "192.0.2.2"
MINUTE = timedelta(minutes=1)
ENDS = START + MINUTE


async def count(
    store: Store, peer: str = HERE, key_id: str = "a", after: timedelta = timedelta(0)
) -> WrongKeys:
    return await store.count_wrong_key(peer, key_id, START + after, START + after + MINUTE)


async def test_keys_and_addresses_are_counted_apart(store: Store) -> None:
    said = [await count(store, *where) for where in ((HERE, "a"), (HERE, "b"), (HERE, "a"))]
    other = await count(store, THERE, "a")

    assert [(one.of_key.seen, one.of_peer.seen) for one in said] == [(1, 1), (1, 2), (2, 3)]
    assert other == WrongKeys(Count(1, ENDS), Count(1, ENDS))


async def test_a_window_ends_when_it_was_said_to_and_begins_anew(store: Store) -> None:
    await count(store)
    within = await count(store, after=timedelta(seconds=59, microseconds=999_999))
    after = await count(store, after=MINUTE)

    assert within == WrongKeys(Count(2, ENDS), Count(2, ENDS))
    assert after == WrongKeys(Count(1, ENDS + MINUTE), Count(1, ENDS + MINUTE))


async def test_an_addresss_window_and_a_keys_end_apart(store: Store) -> None:
    await count(store, key_id="a")
    later = await count(store, key_id="b", after=timedelta(seconds=30))

    assert (later.of_peer.ends, later.of_key.ends) == (ENDS, ENDS + timedelta(seconds=30))


async def test_those_who_count_at_the_same_time_are_told_different_counts(store: Store) -> None:
    said = await asyncio.gather(*(count(store) for _ in range(100)))

    assert sorted(one.of_key.seen for one in said) == list(range(1, 101))


# SQLite alone


async def test_processes_that_share_a_file_are_told_different_counts(
    sqlite_store: SqliteStore, directory: Path, clock: Clock
) -> None:
    with closing(SqliteStore.open(directory, clock=clock)) as other:
        stores = (sqlite_store, other)
        said = await asyncio.gather(*(count(stores[n % 2]) for n in range(100)))

    assert sorted(one.of_key.seen for one in said) == list(range(1, 101))


async def test_no_more_stays_than_came_within_a_window(sqlite_store: SqliteStore) -> None:
    for number in range(300):
        await count(sqlite_store, f"198.51.100.{number}", after=timedelta(seconds=number))

    ((kept,),) = await sqlite_store._all("SELECT count(*) FROM wrong_keys")
    assert kept <= 2 * 61
