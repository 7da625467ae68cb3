"""The loop that renews logins beside the server: what fails stops nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
import structlog

from regcred.bootstrap import renewals
from regcred.bootstrap.bell import TaskBell, TaskBells
from regcred.bootstrap.renewals import AT_ONCE, Renewals
from regcred.domain.errors import StoreUnavailable
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.ports import LoginPlace
from regcred.usecases import waiting_pulls
from regcred.usecases.kept_login import Exchangeable, Patience
from tests.usecases.world import World

WHERE = re.compile(r"test_renewals\.py:\d+ ")


class Exchanges:
    """Places that are due, some of which fail. Insecure: for this test alone."""

    def __init__(self, due: int, *, broken: bool = False) -> None:
        self.due = [LoginPlace("project", str(number), "") for number in range(due)]
        self.broken = broken
        self.renewed: list[str] = []
        self.looks = 0
        self.looked_often = asyncio.Event()

    async def claim_due(self, limit: int) -> Sequence[tuple[LoginPlace, str]]:
        self.looks += 1
        if self.looks == 4:
            self.looked_often.set()
        if self.broken:
            raise StoreUnavailable("away")
        now, self.due = self.due[:limit], self.due[limit:]
        return [(place, "claim") for place in now]

    async def renew(self, place: LoginPlace, claim: str) -> None:
        assert claim == "claim"
        if place.credential_id == "1":
            raise StoreUnavailable("for this one")
        self.renewed.append(place.credential_id)


async def ran(exchanges: Exchanges, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the loop for a few of its turns; return what it logged."""
    monkeypatch.setattr(renewals, "EVERY", 0.01)
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(Renewals(exchanges, TaskBell()).run())  # type: ignore[arg-type]  # as much of it as the loop uses
        await exchanges.looked_often.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    return [
        f"{entry['event']}: {entry['error']} in {WHERE.sub('', entry['where'])}" for entry in logs
    ]


async def test_one_that_fails_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exchanges = Exchanges(AT_ONCE + 3)

    logged = await ran(exchanges, monkeypatch)

    assert sorted(exchanges.renewed, key=int) == [str(n) for n in range(AT_ONCE + 3) if n != 1]
    assert logged == ["a login was not renewed: StoreUnavailable in renew"]


async def test_a_store_that_is_away_is_loud_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logged = await ran(Exchanges(1, broken=True), monkeypatch)

    assert set(logged) == {"renewing logins stands still: StoreUnavailable in claim_due"}
    assert len(logged) >= 3


async def test_slow_clouds_take_places_and_hold_up_no_others() -> None:
    exchanges = Exchanges(2 * AT_ONCE)
    slow = asyncio.Event()
    begun: list[str] = []

    async def renew(place: LoginPlace, claim: str) -> None:
        assert claim == "claim"
        begun.append(place.credential_id)
        if int(place.credential_id) < AT_ONCE - 4:
            await slow.wait()

    exchanges.renew = renew  # type: ignore[method-assign]  # the one thing that is slow here
    running = asyncio.create_task(Renewals(exchanges, TaskBell()).run())  # type: ignore[arg-type]  # as above
    while len(begun) < 2 * AT_ONCE:  # noqa: ASYNC110  nothing rings for what only a test sees
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert len(begun) == 2 * AT_ONCE
    assert not slow.is_set()


async def test_a_bell_wakes_those_who_wait_and_nobody_later() -> None:
    bell = TaskBell()
    waiting = [asyncio.create_task(bell.wait(60)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    await asyncio.gather(*waiting)

    late = asyncio.create_task(bell.wait(0.01))
    await asyncio.sleep(0)
    assert not late.done()
    await late


async def test_an_exchange_wakes_who_waits_for_its_place_and_nobody_else() -> None:
    bells = TaskBells()
    place, other = LoginPlace("project", "login", "a"), LoginPlace("project", "login", "b")
    waiting = [asyncio.create_task(bells.wait(place, 60)) for _ in range(3)]
    elsewhere = asyncio.create_task(bells.wait(other, 60))
    await asyncio.sleep(0)
    bells.ring(place)
    bells.ring(LoginPlace("nobody", "waits", "here"))
    await asyncio.gather(*waiting)

    assert not elsewhere.done()
    elsewhere.cancel()
    with pytest.raises(asyncio.CancelledError):
        await elsewhere
    assert not bells._bells
    assert not bells._waiting


async def test_a_pull_is_woken_by_the_exchange_that_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both bells ring: with looks a minute apart nothing else would bring its login in time."""
    monkeypatch.setattr(renewals, "EVERY", 60)
    monkeypatch.setattr(waiting_pulls, "_LOOK_AGAIN", 60)
    due, done = TaskBell(), TaskBells()
    world = await World(bells=(due, done)).open()
    stored = await world.login(
        "ecr", None, username="AKIAIOSFODNN7EXAMPLE", password="secret", provider="ecr"
    )
    place = LoginPlace(str(world.home.id), str(stored.id), "eu-west-1")
    wanted = Exchangeable(place, 1, stored.delivery, stored.standing)
    running = asyncio.create_task(Renewals(world.exchanges, due).run())
    await asyncio.sleep(0.05)  # it waits for the bell by now
    async with asyncio.timeout(5):
        login = await world.exchanges.login(wanted, Patience(world.clock() + timedelta(seconds=8)))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert isinstance(login, FreshLogin)
