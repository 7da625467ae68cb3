"""Wrong keys are counted exactly, over all workers, and nobody who has a right one is kept out."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest

from regcred.domain.access import Role
from regcred.domain.errors import NotAuthenticated, QuotaExceeded
from regcred.domain.ports import WrongKeys
from regcred.domain.token import ApiToken
from regcred.usecases import lock_out
from regcred.usecases.lock_out import OF_KEY, OF_PEER, LockOut
from regcred.usecases.pull import Presented, question_for_image
from tests.fakes.store import MemoryStore
from tests.usecases.world import HandClock, World

UNKNOWN = NotAuthenticated("unknown")
HERE, THERE = "192.0.2.1", "192.0.2.2"


class SlowStore(MemoryStore):
    """Counts as a store far away does: others ask meanwhile."""

    counts = 0

    async def count_wrong_key(
        self, peer: str, key_id: str, now: datetime, ends: datetime
    ) -> WrongKeys:
        self.counts += 1
        await asyncio.sleep(0)
        return await super().count_wrong_key(peer, key_id, now, ends)


async def outcome(one: LockOut, key_id: str = "a", peer: str = HERE) -> str:
    """Return whether a wrong key is refused as always, or told to wait."""
    try:
        await one.refused(UNKNOWN, key_id, peer)
    except QuotaExceeded:
        return "told to wait"
    return "refused"


async def many(*calls: tuple[LockOut, str, str]) -> Counter[str]:
    return Counter(await asyncio.gather(*(outcome(*call) for call in calls)))


@pytest.mark.parametrize("workers", [1, 2, 7])
async def test_ten_of_a_thousand_at_once_are_looked_at_over_all_workers(workers: int) -> None:
    clock = HandClock()
    store = SlowStore(clock)
    locks = [LockOut(store, clock) for _ in range(workers)]

    seen = await many(*((locks[n % workers], "a", HERE) for n in range(1_000)))
    later = await many(*((lock, "a", HERE) for lock in locks))

    assert seen == {"refused": OF_KEY, "told to wait": 1_000 - OF_KEY}
    assert later == {"told to wait": workers}
    assert store.counts <= workers * OF_KEY


async def test_an_address_that_tries_many_keys_is_told_so_too() -> None:
    clock = HandClock()
    store = SlowStore(clock)
    locks = [LockOut(store, clock) for _ in range(2)]

    seen = await many(*((locks[n % 2], f"k{n}", HERE) for n in range(1_000)))

    assert seen["refused"] == OF_PEER


async def test_other_addresses_are_counted_apart() -> None:
    clock = HandClock()
    lock = LockOut(MemoryStore(clock), clock)
    await many(*((lock, "a", HERE) for _ in range(100)))

    assert await outcome(lock, "a", THERE) == "refused"
    assert await outcome(lock, "b", HERE) == "refused"


async def test_a_window_ends_a_minute_after_its_first() -> None:
    clock = HandClock()
    lock = LockOut(MemoryStore(clock), clock)
    await many(*((lock, "a", HERE) for _ in range(100)))
    clock.now += timedelta(seconds=59)
    with pytest.raises(QuotaExceeded) as refused:
        await lock.refused(UNKNOWN, "a", HERE)
    clock.now += timedelta(seconds=1)

    assert refused.value.retry_after == 1
    assert await outcome(lock) == "refused"


async def test_hosts_of_one_ipv6_network_are_one_address() -> None:
    clock = HandClock()
    lock = LockOut(MemoryStore(clock), clock)

    seen = await many(*((lock, "a", f"2001:db8::{n:x}") for n in range(1, 100)))

    assert seen["refused"] == OF_KEY


@pytest.mark.parametrize("reason", ["missing", "malformed", "expired", "disabled", "misplaced"])
async def test_what_is_no_wrong_secret_is_not_counted(reason: str) -> None:
    clock = HandClock()
    store = SlowStore(clock)
    lock = LockOut(store, clock)
    for _ in range(100):
        await lock.refused(NotAuthenticated(reason), "a", HERE)

    assert store.counts == 0


async def test_a_store_that_cannot_count_changes_nothing() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    lock = LockOut(store, clock)
    store.broken = True

    assert await many(*((lock, "a", HERE) for _ in range(OF_KEY))) == {"refused": OF_KEY}
    store.broken = False
    assert await outcome(lock) == "refused"


async def test_what_is_remembered_is_bounded_and_the_store_knows_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lock_out, "_REMEMBERED", 10)
    clock = HandClock()
    lock = LockOut(MemoryStore(clock), clock)
    await many(*((lock, "a", HERE) for _ in range(20)))
    for number in range(100):
        await outcome(lock, "b", f"198.51.100.{number}")

    assert len(lock._windows) <= 12
    assert await outcome(lock) == "told to wait"


# Through the two ways in


async def _ways(world: World, key: str, peer: str) -> list[str]:
    """Return what both ways in say to a key."""
    presented = Presented(key, 1, "docker", "r", peer)
    _, question = question_for_image("docker.io/a/b")
    said = []
    for way in (
        lambda: world.authenticate(key, request_id="r", peer=peer),
        lambda: world.resolve(presented, question),
    ):
        try:
            await way()
            said.append("in")
        except NotAuthenticated as refused:
            said.append(refused.reason)
        except QuotaExceeded:
            said.append("told to wait")
    return said


async def test_a_right_secret_opens_whatever_a_stranger_does_beside_it(world: World) -> None:
    """Same address, same public id: as behind one proxy."""
    key = await world.key(Role.PULLER)
    token = ApiToken.parse(key)
    wrong = ApiToken(token.id, "A" * 43).reveal()
    first = [await _ways(world, wrong, HERE) for _ in range(OF_KEY // 2)]

    assert first == [["unknown", "unknown"]] * (OF_KEY // 2)
    for _ in range(20):
        assert await _ways(world, wrong, HERE) == ["told to wait", "told to wait"]
        assert await _ways(world, key, HERE) == ["in", "in"]


async def test_a_key_that_nobody_has_and_a_wrong_one_are_told_the_same(world: World) -> None:
    key = await world.key(Role.PULLER)
    heard = []
    for id_, peer in ((ApiToken.parse(key).id, HERE), ("0" * 12, THERE)):
        wrong = ApiToken(id_, "A" * 43).reveal()
        heard.append([await _ways(world, wrong, peer) for _ in range(8)])

    assert heard[0] == heard[1]
