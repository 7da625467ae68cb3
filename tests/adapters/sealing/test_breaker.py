from __future__ import annotations

import pytest

from regcred.adapters.sealing.breaker import Breaker
from regcred.domain.errors import KeyringUnavailable


class Hand:
    """A monotonic clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def breaker(clock: Hand) -> Breaker:
    return Breaker(clock, failures=3, rest=5.0, longest=60.0)


def admitted(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except KeyringUnavailable:
        return False
    return True


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(breaker.admit())


def test_a_few_failures_keep_nobody_out(breaker: Breaker) -> None:
    fail(breaker, 2)

    assert admitted(breaker)


def test_a_success_forgets_the_failures_before_it(breaker: Breaker) -> None:
    for _ in range(3):
        fail(breaker, 2)
        breaker.succeeded(breaker.admit())

    assert admitted(breaker)


def test_failures_in_a_row_have_nobody_ask_for_a_while(breaker: Breaker, clock: Hand) -> None:
    fail(breaker, 3)

    for now, said in ((0.0, "in 5 s"), (4.2, "in 1 s")):
        clock.now = now
        with pytest.raises(KeyringUnavailable, match=said):
            breaker.admit()


def test_then_one_alone_finds_out(breaker: Breaker, clock: Hand) -> None:
    fail(breaker, 3)
    clock.now = 5.0

    probe = breaker.admit()
    assert [admitted(breaker) for _ in range(2)] == [False, False]
    breaker.succeeded(probe)
    assert [admitted(breaker) for _ in range(3)] == [True, True, True]


def test_each_failed_probe_doubles_the_rest_up_to_a_minute(breaker: Breaker, clock: Hand) -> None:
    fail(breaker, 3)
    for rest in (5, 10, 20, 40, 60, 60):
        clock.now += rest - 0.1
        assert not admitted(breaker)
        clock.now += 0.1
        fail(breaker, 1)


def test_an_outage_of_days_overflows_nothing(breaker: Breaker, clock: Hand) -> None:
    fail(breaker, 3)
    for _ in range(3000):
        clock.now += 60
        fail(breaker, 1)

    assert not admitted(breaker)


def test_a_probe_that_nobody_waited_for_is_made_again(breaker: Breaker, clock: Hand) -> None:
    fail(breaker, 3)
    clock.now = 5.0

    breaker.gave_up(breaker.admit())

    assert admitted(breaker)


def test_what_was_under_way_does_not_lengthen_the_rest(breaker: Breaker, clock: Hand) -> None:
    for call in [breaker.admit() for _ in range(8)]:
        breaker.failed(call)

    clock.now = 5.0
    assert admitted(breaker)


def test_what_was_under_way_neither_closes_it_nor_lets_a_second_probe_in(
    breaker: Breaker, clock: Hand
) -> None:
    late = [breaker.admit() for _ in range(3)]
    fail(breaker, 3)
    clock.now = 5.0
    breaker.admit()

    for tell, call in zip((breaker.gave_up, breaker.failed, breaker.succeeded), late, strict=True):
        tell(call)
        assert not admitted(breaker)
