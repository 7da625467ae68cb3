"""Turns are taken beside the server; what fails is loud and survived."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from regcred.bootstrap import rechecker
from regcred.bootstrap.beside import beside
from regcred.bootstrap.rechecker import LEASE, Rechecker
from regcred.domain.credential import Delivery
from regcred.domain.errors import StoreUnavailable
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind
from tests.fakes.registries import TOO_OFTEN
from tests.usecases.world import START, World, draft


@pytest.fixture
async def world() -> World:
    return await World().open()


def of(world: World, at_once: int = 4, *, checks: bool = True) -> Rechecker:
    return Rechecker(world.recheck, at_once, checks=checks)


@dataclass
class Crowd:
    """How many are asked at the same time."""

    now: int = 0
    most: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    def stand_in(self, world: World) -> None:
        whole = world.registries.verify

        async def verify(
            delivery: Delivery, secret: Secret, image: ImageReference | None
        ) -> Verdict:
            self.now += 1
            self.most = max(self.most, self.now)
            self.asked[delivery.username] += 1
            await asyncio.sleep(0)
            self.now -= 1
            return await whole(delivery, secret, image)

        world.registries.verify = verify  # type: ignore[method-assign]  # looked at from outside


async def test_a_turn_checks_everything_that_is_due_a_few_at_once(world: World) -> None:
    for n in range(50):
        await world.login(f"login{n}", username=f"user{n}")
    world.clock.forward(hours=27)
    crowd = Crowd()
    crowd.stand_in(world)

    assert await of(world).turn() == 50
    assert set(crowd.asked.values()) == {1}
    assert len(crowd.asked) == 50
    assert crowd.most == 4
    assert await of(world).turn() == 0


async def test_four_workers_check_each_login_once(world: World) -> None:
    for n in range(200):
        await world.login(f"login{n}", username=f"user{n}")
    world.clock.forward(hours=27)
    crowd = Crowd()
    crowd.stand_in(world)

    made = await asyncio.gather(*(of(world).turn() for _ in range(4)))
    assert sum(made) == 200
    assert (len(crowd.asked), set(crowd.asked.values())) == (200, {1})


async def test_switched_off_it_asks_nobody_and_still_announces(world: World) -> None:
    await world.login(expires_at=START + timedelta(days=20))
    world.clock.forward(days=7)

    assert await of(world, checks=False).turn() == 0
    assert world.registries.asked == []
    events, _ = await world.hear(world.operator, None, None, None, 0, 10)
    assert [e.details["days_left"] for e in events] == [13]


async def test_another_interval_is_followed(world: World) -> None:
    await world.login()
    await world.projects.update(world.operator, None, None, recheck_every=900)
    assert await of(world).turn() == 0
    world.clock.forward(minutes=15)

    assert await of(world).turn() == 1


async def test_projects_are_planned_in_turn_so_much_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecker, "_PLANNED", 2)
    monkeypatch.setattr(rechecker, "_STEPS", 5)
    other = await world.project("other")
    for n in range(9):
        await world.login(f"login{n}")
    for n in range(3):
        await world.credentials.create(world.operator, other.id, draft(f"login{n}"))
    for project in (world.home, other):
        await world.projects.update(world.operator, project.id, None, recheck_every=900)

    async def planned() -> int:
        await of(world).turn()
        return await world.store.checks_due(START + timedelta(minutes=15))

    # Three steps of the first and two of the second, which does not wait for all of the first.
    assert [await planned() for _ in range(3)] == [6 + 3, 9 + 3, 9 + 3]


async def test_a_check_that_cannot_be_made_is_logged_without_a_word_of_its_own(
    world: World,
) -> None:
    login = await world.login("tenants-own-word")
    held = world.store._held[login.project_id][login.id]
    held.secret = held.secret._replace(sealed=b'[["elsewhere"], "x"]')
    world.clock.forward(hours=27)
    with capture_logs() as logs:
        await of(world).turn()

    (line,) = logs
    assert line.pop("where").startswith("sealer.py:")
    assert line == {
        "event": "automatic check not made",
        "error": "SealBroken",
        "project": str(world.home.id),
        "log_level": "warning",
    }


async def test_what_our_own_rate_refuses_is_said_in_one_line_and_no_check(world: World) -> None:
    for n in range(5):
        await world.login(f"login{n}", password=TOO_OFTEN)
    await world.login("fine")
    world.clock.forward(hours=27)
    with capture_logs() as logs:
        assert await of(world).turn() == 1

    assert logs == [
        {"event": "automatic checks wait for their turn", "count": 5, "log_level": "info"}
    ]


async def test_a_check_that_fails_inside_is_put_off_and_stops_no_other(world: World) -> None:
    login = await world.login("bad")
    fine = await world.login("fine")

    async def fail() -> None:
        raise RuntimeError("a bug")

    world.registries.meanwhile = fail
    world.clock.forward(hours=27)
    with capture_logs() as logs:
        assert await of(world).turn() == 2

    assert [line["error"] for line in logs] == ["RuntimeError"]
    stood = [
        (await world.store.find_credential(world.home.id, each.id)).standing.last
        for each in (login, fine)
    ]
    assert sorted(stood, key=str) == [None, VerdictKind.OK]
    world.clock.forward(minutes=7)
    assert await of(world).turn() == 1


async def test_the_turns_go_on_after_a_failure_and_stop_with_the_server(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecker, "EVERY", 0)
    await world.login()
    world.clock.forward(hours=27)
    world.store.broken = True
    with capture_logs() as logs:
        async with beside(of(world).run()):
            while not logs:  # noqa: ASYNC110  nobody says when
                await asyncio.sleep(0)
            world.store.broken = False
            while not world.registries.asked:  # noqa: ASYNC110  as above
                await asyncio.sleep(0)

    assert all(line["where"].startswith("store.py:") for line in logs)
    assert {(line["event"], line["error"]) for line in logs} == {
        ("automatic checks stand still", "StoreUnavailable")
    }
    assert StoreUnavailable.__name__ == logs[0]["error"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_was_claimed_when_it_stopped_is_due_again(world: World) -> None:
    await world.login()
    world.clock.forward(hours=27)
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    world.registries.meanwhile = hang
    async with beside(of(world).run()):
        await reached.wait()

    assert await of(world).turn() == 0
    world.clock.forward(seconds=LEASE.total_seconds())
    assert await of(world).turn() == 1
