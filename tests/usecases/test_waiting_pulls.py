"""Pulls that wait: how many may, of whom, and how often they look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from regcred.domain.ports import LoginPlace
from regcred.usecases.waiting_pulls import ROOM, WaitingPulls


class Crowd:
    """Pulls that wait until the test is over."""

    def __init__(self, room: int) -> None:
        self.waiting = WaitingPulls(self, room)
        self.seconds: list[float] = []
        """For how long each waited before it would look again."""

        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[bool]] = []

    def ring(self, place: LoginPlace) -> None:
        """Wake nobody."""

    async def wait(self, place: LoginPlace, seconds: float) -> None:
        del place
        self.seconds.append(seconds)
        await self._over.wait()

    async def come(self, number: int, project: str, place: str = "a", left: int = 8) -> int:
        """Let so many pulls come; return how many of them wait."""
        before = len(self.seconds)
        wanted = LoginPlace(project, "login", place)
        self._tasks += [
            asyncio.create_task(self.waiting.turn(wanted, timedelta(seconds=left)))
            for _ in range(number)
        ]
        await asyncio.sleep(0)
        return len(self.seconds) - before

    async def end(self) -> None:
        """Let all of them go."""
        self._over.set()
        await asyncio.gather(*self._tasks)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    crowd = Crowd(ROOM)
    yield crowd
    await crowd.end()


async def test_a_rollout_of_a_thousand_nodes_waits(crowd: Crowd) -> None:
    assert await crowd.come(1000, "a") == 1000


async def test_one_project_has_half_of_all_places(crowd: Crowd) -> None:
    assert await crowd.come(ROOM, "a") == ROOM // 2


async def test_two_projects_take_little_more_than_one(crowd: Crowd) -> None:
    await crowd.come(ROOM, "a")

    assert await crowd.come(ROOM, "b") == ROOM // 32


async def test_who_came_before_the_crowd_keeps_its_places_and_gets_no_more(crowd: Crowd) -> None:
    await crowd.come(200, "a")
    await crowd.come(ROOM, "b")

    assert await crowd.come(1, "a") == 0
    assert await crowd.come(1, "c") == 1


async def test_all_projects_together_leave_a_quarter(crowd: Crowd) -> None:
    took = [await crowd.come(ROOM, f"project {number}") for number in range(20)]

    assert sum(took) == ROOM * 3 // 4


async def test_one_project_waits_for_a_few_logins_and_for_those_as_often_as_it_likes(
    crowd: Crowd,
) -> None:
    few = ROOM // 32
    took = [await crowd.come(1, "a", f"place {number}") for number in range(few + 5)]

    assert took == [1] * few + [0] * 5
    assert await crowd.come(10, "a", "place 0") == 10
    assert await crowd.come(1, "b", "place 0") == 1


async def test_those_who_wait_for_one_place_look_seldom_and_not_at_once(crowd: Crowd) -> None:
    await crowd.come(1000, "a")
    await crowd.come(1, "b")

    *many, alone = crowd.seconds
    assert alone == pytest.approx(0.5, rel=0.01)
    assert sum(1 / seconds for seconds in many) < 600, "looks in a second"
    assert len(set(many)) == len(many)


async def test_nobody_waits_longer_than_is_left(crowd: Crowd) -> None:
    await crowd.come(1000, "a", left=1)

    assert max(crowd.seconds) == 1


async def test_who_is_gone_leaves_nothing_behind() -> None:
    crowd = Crowd(16)
    took = [await crowd.come(20, f"project {number}") for number in range(20)]
    await crowd.end()

    assert 0 in took
    assert not crowd.waiting._waiting
    assert crowd.waiting._total == 0
