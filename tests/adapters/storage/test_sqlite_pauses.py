"""Reads run on the event loop's thread: a long one lets others go first, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.access import Caller, Principal, Role
from regcred.domain.ports import EventFilter
from regcred.domain.registry import ImagePattern
from regcred.usecases.read_events import ReadEvents
from tests.adapters.storage.samples import Clock, World, an_event, new_id
from tests.tools.events import record_event


async def pauses_of(work: Awaitable[object]) -> int:
    """Return how often others had a chance while `work` was done."""
    count = 0

    async def others() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(0)
            count += 1

    beside = asyncio.create_task(others())
    await asyncio.sleep(0)
    began = count
    await work
    beside.cancel()
    return count - began


async def told(store: SqliteStore, clock: Clock, events: int) -> World:
    """Store events of as many logins, none of which is there any more."""
    world = await World(store, clock).begin()
    await asyncio.gather(
        *(record_event(store, an_event(world.id, new_id())) for _ in range(events))
    )
    return world


async def test_a_list_of_events_pauses_every_hundred(
    sqlite_store: SqliteStore, clock: Clock
) -> None:
    world = await told(sqlite_store, clock, 250)

    async def pauses(limit: int) -> int:
        return await pauses_of(sqlite_store.list_events(world.id, EventFilter(), 0, limit))

    assert [await pauses(limit) for limit in (99, 200, 250)] == [0, 2, 3]


async def test_a_narrowed_keys_page_of_events_pauses_between_its_strides(
    sqlite_store: SqliteStore, clock: Clock
) -> None:
    world = await told(sqlite_store, clock, 2100)
    patterns = (ImagePattern.parse("r.example/mine/*"),)
    narrowed = Caller(Principal("key", "test"), world.id, Role.VIEWER, image_patterns=patterns)
    page = ReadEvents(sqlite_store)(narrowed, None, None, None, 0, 10)

    assert await pauses_of(page) >= 10
