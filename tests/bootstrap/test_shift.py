"""What one process is enough for is done by one, and by another soon after that one has died."""

from __future__ import annotations

import pytest

from regcred.bootstrap.shift import LASTS, Shift, alone, shift_of
from regcred.bootstrap.state import State, open_state
from tests.adapters.storage.samples import Clock
from tests.bootstrap.conftest import Place


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shifts(state: State, clock: Clock, *names: str) -> list[Shift]:
    return [Shift(state.store, clock, "scrubbing", name) for name in names]


async def test_one_has_it_and_keeps_it(place: Place, clock: Clock) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        first, second = shifts(state, clock, "one", "two")
        for _ in range(5):
            assert await first.mine()
            assert not await second.mine()
            clock.pass_(seconds=31)


async def test_another_takes_over_from_one_that_has_died_and_it_notices(
    place: Place, clock: Clock
) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        first, second = shifts(state, clock, "one", "two")
        assert await first.mine()
        clock.pass_(seconds=LASTS.total_seconds())

        assert await second.mine()
        assert not await first.mine()


async def test_a_clock_that_was_set_back_keeps_no_lease_for_longer(
    place: Place, clock: Clock
) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        first, second = shifts(state, clock, "one", "two")
        clock.pass_(days=365)
        assert await first.mine()
        clock.pass_(days=-365)

        assert await second.mine()
        assert not await first.mine()


async def test_the_store_is_not_asked_at_every_step(place: Place, clock: Clock) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        (shift,) = shifts(state, clock, "one")
        assert await shift.mine()
        before = state.store.commits
        for _ in range(10):
            assert await shift.mine()

        assert state.store.commits == before


async def test_a_file_is_served_by_one_process_which_does_everything(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        mine = shift_of(state, "scrubbing")

        assert mine is alone
        assert await mine()
