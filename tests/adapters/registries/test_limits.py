from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from regcred.adapters.registries import limits
from regcred.adapters.registries.limits import HostRate, Places, ProjectRate, Refusals
from regcred.domain.errors import QuotaExceeded


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_host_has_its_own_rate() -> None:
    watch = Watch()
    rate = HostRate(60, watch)
    for _ in range(60):
        rate.take("a.example")
    rate.take("b.example")

    with pytest.raises(QuotaExceeded) as refused:
        rate.take("a.example")

    assert refused.value.retry_after == 1
    watch.now += 1
    rate.take("a.example")
    with pytest.raises(QuotaExceeded):
        rate.take("a.example")


def test_another_spelling_of_a_user_name_is_the_same_account() -> None:
    refusals = Refusals(Watch())
    for name in ("Robot", "ROBOT", "robot"):
        refusals.require_few("a.example", name)
        refusals.note("a.example", name)

    with pytest.raises(QuotaExceeded):
        refusals.require_few("a.example", "rObot")


def test_looking_forgets_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MAX_BUCKETS", 5)
    refusals = Refusals(Watch())
    for _ in range(3):
        refusals.note("a.example", "robot")
    for number in range(20):
        refusals.require_few("a.example", f"other-{number}")

    with pytest.raises(QuotaExceeded):
        refusals.require_few("a.example", "robot")


def test_a_quiet_host_saves_up_no_more_than_a_minute() -> None:
    watch = Watch()
    rate = HostRate(2, watch)
    rate.take("a.example")
    watch.now += 3600
    rate.take("a.example")
    rate.take("a.example")

    with pytest.raises(QuotaExceeded) as refused:
        rate.take("a.example")
    assert refused.value.retry_after == 30


def test_who_comes_second_leaves_half_to_who_comes_first() -> None:
    watch = Watch()
    rate = HostRate(60, watch)
    for _ in range(30):
        rate.take_second("a.example")
    with pytest.raises(QuotaExceeded):
        rate.take_second("a.example")

    for _ in range(30):
        rate.take("a.example")
    with pytest.raises(QuotaExceeded) as refused:
        rate.take("a.example")
    assert refused.value.retry_after == 1
    watch.now += 30
    with pytest.raises(QuotaExceeded):
        rate.take_second("a.example")
    watch.now += 1
    rate.take_second("a.example")


def test_a_rate_of_one_is_for_who_comes_second_too() -> None:
    rate = HostRate(1, Watch())
    rate.take_second("a.example")

    with pytest.raises(QuotaExceeded):
        rate.take_second("a.example")


def test_each_who_comes_second_in_vain_gets_a_turn_of_its_own() -> None:
    watch = Watch()
    rate = HostRate(60, watch)

    def turns(count: int) -> list[int]:
        given = []
        for _ in range(count):
            with pytest.raises(QuotaExceeded) as refused:
                rate.take_second("a.example")
            given.append(refused.value.retry_after)
        return given

    for _ in range(30):
        rate.take_second("a.example")
    assert turns(5) == [1, 2, 3, 4, 5]
    watch.now += 5
    for _ in range(5):
        rate.take_second("a.example")
    assert turns(2) == [1, 2]
    # No turn is further away than an hour: then many come again at once.
    assert turns(4000)[-1] == 3600


def test_a_projects_checks_are_counted_apart_from_a_hosts() -> None:
    watch = Watch()
    hosts, projects = HostRate(1, watch), ProjectRate(1, watch)
    hosts.take("a.example")
    projects.take(UUID(int=1))
    projects.take(UUID(int=2))

    with pytest.raises(QuotaExceeded) as of_host:
        hosts.take("a.example")
    with pytest.raises(QuotaExceeded) as of_project:
        projects.take(UUID(int=1))

    assert of_host.value.what == "checks of this registry"
    assert of_project.value.what == "checks for this project"


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MAX_BUCKETS", 3)
    rate = HostRate(1, Watch())
    for host in "abcd":
        rate.take(host)

    assert list(rate._buckets) == ["b", "c", "d"]


async def test_places_are_waited_for_and_given_back() -> None:
    places = Places(1, patience=30)
    order = []

    async def one(name: str) -> None:
        async with places.one():
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(one("a"), one("b"), one("c"))

    assert sorted(order) == ["a", "b", "c"]


async def test_who_finds_no_place_in_time_is_told_to_come_again() -> None:
    places = Places(1, patience=0.01)
    async with places.one():
        with pytest.raises(QuotaExceeded) as refused:
            async with places.one():
                pytest.fail("there is one place")
    assert refused.value.retry_after == 1

    async with places.one():
        pass
