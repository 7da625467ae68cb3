"""When a sync looks again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.kubernetes.timing import SKEW, SOONEST, next_look

chances = st.floats(0, 1, exclude_max=True)
intervals = st.floats(1, 1e6)


@given(intervals, st.integers(0, 10_000), st.none() | st.floats(-1e7, 1e7), chances)
def test_never_later_than_the_interval_and_never_at_once(
    interval: float, failures: int, expires_in: float | None, chance: float
) -> None:
    seconds = next_look(interval, failures, expires_in, chance)

    assert min(SOONEST, interval) <= seconds <= interval


@given(intervals, st.floats(2 * SOONEST, 1e7), chances)
def test_the_next_look_comes_before_the_login_ends(
    interval: float, expires_in: float, chance: float
) -> None:
    assert next_look(interval, 0, expires_in, chance) < expires_in


def test_a_long_login_is_looked_after_by_the_skew_before_its_end() -> None:
    assert next_look(86_400, 0, 43_200, 0) == 43_200 - SKEW


def test_a_short_login_is_looked_after_at_half_of_what_is_left() -> None:
    assert next_look(86_400, 0, 120, 0) == 60


def test_a_login_that_ended_is_no_reason_to_hurry() -> None:
    assert next_look(300, 0, -5, 0) == 300


def test_failures_are_tried_again_soon_and_then_less_often() -> None:
    assert [next_look(300, n, None, 0) for n in range(8)] == [300, 10, 20, 40, 80, 160, 300, 300]


def test_chance_spreads_the_looks() -> None:
    assert next_look(300, 0, None, 0.5) == 285
