"""When a login is next checked without anyone asking.

The one thing you would get wrong: a login that its registry turned away. Registries lock out who
tries a dead one again and again, so after the first refusal it is tried by itself exactly once
more, a while later; refused again, it rests until its secret changes or a person verifies it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from regcred.domain.verdict import DEAD, Standing, Verdict, VerdictKind

CONFIRM_AFTER = timedelta(minutes=15)
"""From a refusal to its one confirmation; certainly more than WITHHOLD_AFTER."""

CONFIRM_SPREAD = timedelta(minutes=5)
"""By how much more, at most, so that logins that die together are not tried together."""

RATE_LIMITED_AFTER = timedelta(minutes=15)
UNREACHABLE_AFTER = timedelta(minutes=5)
LONGEST_BACK_OFF = timedelta(hours=24)
SOONEST = timedelta(minutes=5)
"""A plan spread over an interval begins no earlier: a check that is under way ends before."""

REFUSED_SPREAD = timedelta(seconds=30)
"""By how much later than asked, at most, a check comes that our own bounds refused."""

_MOST_DOUBLINGS = 16


class Plan(NamedTuple):
    """When the next automatic check is due (None: it rests), and the failures in a row so far."""

    due_at: datetime | None
    failures: int = 0


RESTS = Plan(None)


def next_check(
    before: Standing,
    verdict: Verdict,
    *,
    automatic: bool,
    every: timedelta,
    failures: int,
    spread: float,
) -> Plan:
    """Return what follows from a verdict on a login that stood as `before`.

    `every` is the project's interval, zero for no automatic checks at all; `failures` are those
    in a row before this verdict; `spread` is in [0, 1). A person's verdict always plans anew:
    `automatic` tells whether nobody asked for this one.
    """
    if not every:
        return RESTS
    at = verdict.checked_at
    if verdict.kind in DEAD:
        if automatic and before.after(verdict).withheld:
            return RESTS
        return Plan(at + CONFIRM_AFTER + CONFIRM_SPREAD * spread)
    if verdict.kind is VerdictKind.RATE_LIMITED:
        wait = min(_backed_off(RATE_LIMITED_AFTER, failures, spread), LONGEST_BACK_OFF)
    elif verdict.kind is VerdictKind.UNREACHABLE:
        wait = min(_backed_off(UNREACHABLE_AFTER, failures, spread), _about(every, spread))
    else:
        return Plan(at + _about(every, spread))
    return Plan(at + max(wait, _asked_to_wait(verdict)), failures + 1)


def postponed(
    now: datetime,
    *,
    every: timedelta,
    failures: int,
    spread: float,
) -> Plan:
    """Return when to try a check again that could not be made, so that there is no verdict."""
    if not every:
        return RESTS
    wait = min(_backed_off(UNREACHABLE_AFTER, failures, spread), _about(every, spread))
    return Plan(now + wait, failures + 1)


def refused_here(now: datetime, retry_after: timedelta, *, failures: int, spread: float) -> Plan:
    """Return when to try a check again that our own bounds refused: no failure of the login."""
    return Plan(now + retry_after + REFUSED_SPREAD * spread, failures)


def after_new_secret(at: datetime, every: timedelta, spread: float) -> Plan:
    """Return when a secret that is new at `at` is first checked: not at once, people do that."""
    return Plan(at + _about(every, spread)) if every else RESTS


def over_interval(now: datetime, every: timedelta, spread: float) -> Plan:
    """Return a time anywhere in the interval that begins now, for many logins planned at once."""
    return Plan(now + SOONEST + max(every - SOONEST, SOONEST) * spread) if every else RESTS


def replanned(present: Plan, *, dead: bool, now: datetime, every: timedelta, spread: float) -> Plan:
    """Return the plan under another interval, or the first one of a login that never had any.

    What is backed off from, or was turned away (`dead`), keeps its plan, also that it rests.
    """
    if every and (dead or present.failures):
        return present
    return over_interval(now, every, spread)


def image_to_check(verdict: Verdict, *, automatic: bool) -> str | None:
    """Return the image for automatic checks from now on, None for the one so far.

    It is the one that a person last saw the login pull: any other would say nothing, or would
    go on saying what the person already knows.
    """
    return verdict.image if verdict.kind is VerdictKind.OK and not automatic else None


def spread_of(credential_id: UUID, at: datetime) -> float:
    """Return a number in [0, 1) that differs between logins and from time to time.

    It keeps checks apart and need not be unpredictable, so it is computed: every store gives
    the same plan for the same verdict.
    """
    digest = blake2b(credential_id.bytes + at.isoformat().encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def _about(every: timedelta, spread: float) -> timedelta:
    """Return the interval, a tenth less to a tenth more."""
    return every * (0.9 + 0.2 * spread)


def _backed_off(first: timedelta, failures: int, spread: float) -> timedelta:
    """Return `first`, doubled for every failure before, and up to a fifth more."""
    return first * (1 << min(failures, _MOST_DOUBLINGS)) * (1 + 0.2 * spread)


def _asked_to_wait(verdict: Verdict) -> timedelta:
    """Return for how long the registry wants to be left alone."""
    seconds = verdict.evidence.get("retry_after")
    return timedelta(seconds=seconds) if isinstance(seconds, int) else timedelta(0)
