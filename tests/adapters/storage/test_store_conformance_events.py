"""What every store promises about events."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from regcred.adapters.storage.sql import events
from regcred.domain.audit import Action
from regcred.domain.errors import ProjectNotFound
from regcred.domain.event import EventKind
from regcred.domain.ports import EventFilter
from tests.adapters.storage.samples import World, an_event, event, new_id
from tests.fakes import store as memory
from tests.tools.events import record_event

ALL = EventFilter()
KEPT = 50
"""Instead of what is really kept, which takes every store a while."""

BOUNDS = ((events, "KEPT"), (memory, "_KEPT_EVENTS"))


def test_ten_thousand_are_kept_of_a_project() -> None:
    assert {getattr(*bound) for bound in BOUNDS} == {10_000}


class TestEvents:
    async def test_stored_whole_and_numbered(self, world: World) -> None:
        told = an_event(world.id, image="r.example/app", count=3, share=0.5, tags=("a", "b"))
        number = await record_event(world.store, told)

        assert number > 0
        assert await world.store.list_events(world.id, ALL, 0, 10) == [replace(told, number=number)]

    async def test_listed_newest_first_a_page_at_a_time(self, world: World) -> None:
        numbers = [await record_event(world.store, an_event(world.id, n=n)) for n in range(5)]

        first = await world.store.list_events(world.id, ALL, 0, 2)
        rest = await world.store.list_events(world.id, ALL, first[-1].number, 10)

        assert numbers == sorted(set(numbers))
        assert [e.number for e in [*first, *rest]] == numbers[::-1]

    async def test_narrowed_by_kind_and_by_credential(self, world: World) -> None:
        one, two = new_id(), new_id()
        for credential in (one, two):
            for kind in EventKind:
                await record_event(world.store, an_event(world.id, credential, kind))

        near = EventFilter(EventKind.EXPIRY_NEAR)
        of_one = EventFilter(credential_id=one)
        both = EventFilter(EventKind.EXPIRY_NEAR, two)
        found = {
            name: [
                (e.kind, e.credential_id)
                for e in await world.store.list_events(world.id, narrowed, 0, 100)
            ]
            for name, narrowed in (("near", near), ("one", of_one), ("both", both))
        }

        assert found["near"] == [(EventKind.EXPIRY_NEAR, two), (EventKind.EXPIRY_NEAR, one)]
        assert found["one"] == [(kind, one) for kind in reversed(EventKind)]
        assert found["both"] == [(EventKind.EXPIRY_NEAR, two)]

    async def test_they_outlive_their_credential_but_not_their_project(self, world: World) -> None:
        other = await world.add_project("beta")
        login = await world.add(project_id=other.id)
        await record_event(world.store, an_event(other.id, login.id))
        gone = event(Action.CREDENTIAL_DELETED, other.id, login.id)
        await world.store.delete_credential(other.id, login.id, None, gone)
        outlived = await world.store.list_events(other.id, ALL, 0, 10)
        await world.store.delete_project(
            other.id, None, event(Action.PROJECT_DELETED, other.id, other.id)
        )

        assert [e.credential_id for e in outlived] == [login.id]
        assert await world.store.list_events(other.id, ALL, 0, 10) == []

    async def test_a_project_sees_its_own_alone(self, world: World) -> None:
        other = await world.add_project("beta")
        await record_event(world.store, an_event(other.id))

        assert await world.store.list_events(world.id, ALL, 0, 10) == []

    async def test_none_without_a_project(self, world: World) -> None:
        with pytest.raises(ProjectNotFound):
            await record_event(world.store, an_event(new_id()))

    async def test_a_project_keeps_its_newest_and_no_more(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for bound in BOUNDS:
            monkeypatch.setattr(*bound, KEPT)
        other = await world.add_project("beta")
        await record_event(world.store, an_event(other.id))
        numbers: list[int] = []
        waiting = (record_event(world.store, an_event(world.id)) for _ in range(KEPT))
        numbers += await asyncio.gather(*waiting)
        for _ in range(3):
            numbers.append(await record_event(world.store, an_event(world.id)))

        kept = await world.store.list_events(world.id, ALL, 0, KEPT + 100)
        assert [e.number for e in kept] == sorted(numbers)[: -KEPT - 1 : -1]
        assert len(await world.store.list_events(other.id, ALL, 0, 10)) == 1
