"""Who hears of what."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import pytest

from regcred.domain.access import Role
from regcred.domain.errors import CredentialNotFound
from regcred.domain.event import Event, EventKind
from tests.fakes.store import MemoryStore
from tests.tools.events import record_event
from tests.usecases.world import START, World


async def tell(world: World, *names: str, kind: EventKind = EventKind.VERDICT_CHANGED) -> None:
    for name in names:
        found = await world.store.find_credential(world.home.id, name)
        await record_event(world.store, Event(world.home.id, START, kind, found.id, name))


async def test_events_come_newest_first_a_page_at_a_time(world: World) -> None:
    await world.login("a")
    await tell(world, "a", "a", "a")

    first, after = await world.hear(world.operator, None, None, None, 0, 2)
    assert after is not None
    rest, end = await world.hear(world.operator, None, None, None, after, 2)

    numbers = [e.number for e in [*first, *rest]]
    assert numbers == sorted(numbers, reverse=True)
    assert (len(first), len(rest), end) == (2, 1, None)


async def test_they_are_narrowed_by_kind_name_and_id(world: World) -> None:
    login = await world.login("a")
    await world.login("b")
    await tell(world, "a", "b")
    await tell(world, "a", kind=EventKind.EXPIRY_NEAR)

    async def kinds(kind: EventKind | None, credential: str | None) -> list[str]:
        found, _ = await world.hear(world.operator, None, kind, credential, 0, 10)
        return [f"{e.credential_name} {e.kind}" for e in found]

    assert await kinds(EventKind.EXPIRY_NEAR, None) == ["a expiry.near"]
    assert await kinds(None, "b") == ["b verdict.changed"]
    assert await kinds(None, str(login.id)) == ["a expiry.near", "a verdict.changed"]
    with pytest.raises(CredentialNotFound):
        await kinds(None, "nobody")


async def test_of_a_login_that_is_gone_unnarrowed_keys_hear_by_its_id(world: World) -> None:
    login = await world.login("gone")
    await tell(world, "gone")
    await world.credentials.delete(world.operator, None, "gone", None)
    viewer = await world.caller(Role.VIEWER)
    narrowed = await world.caller(Role.VIEWER, "reg.example.com/*")

    found, _ = await world.hear(viewer, None, None, str(login.id), 0, 10)
    assert [e.credential_id for e in found] == [login.id]
    assert await world.hear(narrowed, None, None, None, 0, 10) == ([], None)
    with pytest.raises(CredentialNotFound):
        await world.hear(narrowed, None, None, str(login.id), 0, 10)


async def test_a_narrowed_key_hears_of_its_own_logins_alone(world: World) -> None:
    await world.login("mine", "reg.example.com/mine")
    theirs = await world.login("theirs", "reg.example.com/theirs")
    await tell(world, "mine", "theirs", "mine", "theirs", "mine")
    narrowed = await world.caller(Role.VIEWER, "reg.example.com/mine/*")

    first, after = await world.hear(narrowed, None, None, None, 0, 2)
    assert after is not None
    rest, end = await world.hear(narrowed, None, None, None, after, 2)
    assert [e.credential_name for e in [*first, *rest]] == ["mine"] * 3
    assert end is None
    for ref in ("theirs", str(theirs.id)):
        with pytest.raises(CredentialNotFound):
            await world.hear(narrowed, None, None, ref, 0, 10)


async def test_its_logins_are_read_a_stride_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one they would hold up everybody else."""
    for n in range(150):
        await world.login(f"login{n}", f"reg.example.com/{n % 2}")
        await tell(world, f"login{n}", f"login{n}")
    narrowed = await world.caller(Role.VIEWER, "reg.example.com/1/*")
    reads = []
    whole = world.store.credentials_of

    async def credentials_of(project_id: UUID, ids: Collection[UUID]) -> object:
        reads.append(len(ids))
        return await whole(project_id, ids)

    monkeypatch.setattr(world.store, "credentials_of", credentials_of)
    monkeypatch.delattr(MemoryStore, "find_credential")

    found, end = await world.hear(narrowed, None, None, None, 0, 200)
    assert (len(found), end) == (150, None)
    assert reads == [100, 50]


async def test_a_narrowed_keys_page_looks_through_so_many_and_goes_on(world: World) -> None:
    await world.login("mine", "reg.example.com/mine")
    await world.login("theirs", "reg.example.com/theirs")
    await tell(world, "mine", *["theirs"] * 2500)
    narrowed = await world.caller(Role.PULLER, "reg.example.com/mine/*")

    none, after = await world.hear(narrowed, None, None, None, 0, 10)
    assert (none, bool(after)) == ([], True)
    found, end = await world.hear(narrowed, None, None, None, after or 0, 10)
    assert [e.credential_name for e in found] == ["mine"]
    assert end is None
