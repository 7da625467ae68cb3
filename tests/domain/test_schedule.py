"""Every rule of when a login is checked by itself, with its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain import schedule
from regcred.domain.schedule import RESTS, Plan, next_check, postponed
from regcred.domain.verdict import DEAD, WITHHOLD_AFTER, Standing, Verdict, VerdictKind

AT = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NEW = Standing()
WORKING = Standing(VerdictKind.OK, AT - DAY)
REFUSED = Standing(VerdictKind.REJECTED, AT - HOUR, AT - HOUR, AT - HOUR)
WITHHELD = Standing(VerdictKind.REJECTED, AT - MINUTE, AT - HOUR, AT - MINUTE)
SETTLED = sorted(set(VerdictKind) - DEAD - {VerdictKind.RATE_LIMITED, VerdictKind.UNREACHABLE})
HIGH = 0.999


def after(
    kind: VerdictKind,
    before: Standing = WORKING,
    *,
    automatic: bool = True,
    every: timedelta = DAY,
    failures: int = 0,
    spread: float = 0.5,
    **evidence: int | str,
) -> Plan:
    return next_check(
        before,
        Verdict(kind, AT, evidence=evidence),
        automatic=automatic,
        every=every,
        failures=failures,
        spread=spread,
    )


def wait(plan: Plan) -> timedelta:
    assert plan.due_at is not None
    return plan.due_at - AT


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("before", [NEW, WORKING, REFUSED, WITHHELD])
@pytest.mark.parametrize("kind", SETTLED)
def test_an_answer_is_asked_again_after_about_the_interval(
    kind: VerdictKind, before: Standing, automatic: bool
) -> None:
    assert after(kind, before, automatic=automatic, failures=7) == Plan(AT + DAY)
    assert wait(after(kind, before, spread=0.0)) == 0.9 * DAY
    assert 1.09 * DAY < wait(after(kind, before, spread=HIGH)) < 1.1 * DAY


@pytest.mark.parametrize("kind", sorted(DEAD))
@pytest.mark.parametrize(
    ("before", "automatic"),
    [
        (NEW, True), (NEW, False), (WORKING, True), (WORKING, False),
        (REFUSED, False), (WITHHELD, False),
    ],
)  # fmt: skip
def test_a_refusal_is_confirmed_once_after_a_while(
    kind: VerdictKind, before: Standing, automatic: bool
) -> None:
    """Also where two persons' verdicts withhold it already."""
    soonest = after(kind, before, automatic=automatic, spread=0.0)
    latest = after(kind, before, automatic=automatic, spread=HIGH)

    assert wait(soonest) == 15 * MINUTE > WITHHOLD_AFTER
    assert wait(latest) < 20 * MINUTE
    assert soonest.failures == 0


@pytest.mark.parametrize("kind", sorted(DEAD))
@pytest.mark.parametrize("before", [REFUSED, WITHHELD])
def test_refused_again_it_rests(kind: VerdictKind, before: Standing) -> None:
    assert after(kind, before) == RESTS


def test_a_whole_run_of_refusals_costs_two_tries() -> None:
    standing, tries, at = WORKING, 0, AT
    plan = Plan(at)
    while plan.due_at is not None:
        at = plan.due_at
        verdict = Verdict(VerdictKind.REJECTED, at)
        plan = next_check(
            standing, verdict, automatic=True, every=DAY, failures=plan.failures, spread=0.3
        )
        standing, tries = standing.after(verdict), tries + 1

    assert tries == 2
    assert standing.withheld


def test_a_refusal_seconds_after_a_persons_confirms_nothing_yet() -> None:
    """The check was under way when the person asked: the two say it of the same moment."""
    just_now = Standing(VerdictKind.REJECTED, AT - MINUTE / 2, AT - MINUTE / 2, AT - MINUTE / 2)

    assert wait(after(VerdictKind.REJECTED, just_now, spread=0.0)) == 15 * MINUTE


def test_a_silent_registry_between_them_does_not_add_a_try() -> None:
    assert after(VerdictKind.UNREACHABLE, REFUSED).due_at is not None
    still = REFUSED.after(Verdict(VerdictKind.UNREACHABLE, AT))

    assert after(VerdictKind.REJECTED, still) == RESTS


@pytest.mark.parametrize(
    ("failures", "minutes"), [(0, 15), (1, 30), (2, 60), (3, 120), (6, 960), (7, 1440), (99, 1440)]
)
def test_a_limit_is_backed_off_from_up_to_a_day(failures: int, minutes: int) -> None:
    plan = after(VerdictKind.RATE_LIMITED, failures=failures, spread=0.0)

    assert plan == Plan(AT + minutes * MINUTE, failures + 1)
    assert wait(after(VerdictKind.RATE_LIMITED, failures=failures, spread=HIGH)) <= DAY


@pytest.mark.parametrize(("asked", "minutes"), [(60, 15), (3600, 60), (86400, 1440), ("3600", 15)])
def test_never_sooner_than_the_registry_wants(asked: int | str, minutes: int) -> None:
    plan = after(VerdictKind.RATE_LIMITED, spread=0.0, retry_after=asked)

    assert wait(plan) == minutes * MINUTE


@pytest.mark.parametrize(
    ("failures", "minutes"), [(0, 5), (1, 10), (2, 20), (8, 1280), (9, 1296), (99, 1296)]
)
def test_silence_is_backed_off_from_up_to_the_interval(failures: int, minutes: int) -> None:
    plan = after(VerdictKind.UNREACHABLE, failures=failures, spread=0.0)

    assert plan == Plan(AT + minutes * MINUTE, failures + 1)


def test_with_a_short_interval_silence_is_asked_again_within_it() -> None:
    quarter = timedelta(minutes=15)

    assert wait(after(VerdictKind.UNREACHABLE, failures=5, every=quarter, spread=0.5)) == quarter


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("kind", sorted(VerdictKind))
def test_without_an_interval_nothing_is_planned(kind: VerdictKind, automatic: bool) -> None:
    assert after(kind, automatic=automatic, every=timedelta(0), failures=3) == RESTS


def test_a_check_that_could_not_be_made_is_backed_off_from() -> None:
    def tried(failures: int, every: timedelta = DAY) -> Plan:
        return postponed(AT, every=every, failures=failures, spread=0.0)

    assert tried(0) == Plan(AT + 5 * MINUTE, 1)
    assert tried(3) == Plan(AT + 40 * MINUTE, 4)
    assert tried(30) == Plan(AT + 0.9 * DAY, 31)
    assert tried(3, timedelta(0)) == RESTS


def test_what_our_own_bounds_refused_comes_again_when_they_said_and_failed_no_more() -> None:
    def later(spread: float) -> Plan:
        return schedule.refused_here(AT, MINUTE, failures=3, spread=spread)

    assert later(0.0) == Plan(AT + MINUTE, 3)
    assert later(0.5) == Plan(AT + 1.25 * MINUTE, 3)


def test_a_new_secret_waits_for_about_the_interval() -> None:
    assert schedule.after_new_secret(AT, DAY, 0.5) == Plan(AT + DAY)
    assert schedule.after_new_secret(AT, timedelta(0), 0.5) == RESTS


@given(spread=st.floats(0, 1, exclude_max=True), minutes=st.integers(15, 43200))
def test_many_are_planned_over_the_whole_interval(spread: float, minutes: int) -> None:
    plan = schedule.over_interval(AT, minutes * MINUTE, spread)

    assert schedule.SOONEST <= wait(plan) <= minutes * MINUTE
    assert schedule.over_interval(AT, timedelta(0), spread) == RESTS


def test_another_interval_moves_what_is_neither_dead_nor_backed_off_from() -> None:
    def moved(present: Plan, every: timedelta = HOUR, *, dead: bool = False) -> Plan:
        return schedule.replanned(present, dead=dead, now=AT, every=every, spread=0.0)

    soonest = Plan(AT + schedule.SOONEST)
    assert moved(Plan(AT + DAY)) == moved(RESTS) == soonest
    assert moved(Plan(AT + DAY, 3)) == Plan(AT + DAY, 3)
    assert moved(Plan(AT + DAY), dead=True) == Plan(AT + DAY)
    assert moved(RESTS, dead=True) == RESTS
    assert moved(Plan(AT + DAY, 3), timedelta(0), dead=True) == RESTS


@given(number=st.integers(0, 2**128 - 1), at=st.datetimes(timezones=st.just(UTC)))
def test_the_spread_is_a_share_and_the_same_each_time(number: int, at: datetime) -> None:
    spread = schedule.spread_of(UUID(int=number), at)

    assert 0 <= spread < 1
    assert spread == schedule.spread_of(UUID(int=number), at)


def test_the_spread_is_even() -> None:
    spreads = sorted(schedule.spread_of(UUID(int=n), AT) for n in range(1000))

    assert all(abs(spread - n / 1000) < 0.06 for n, spread in enumerate(spreads))
