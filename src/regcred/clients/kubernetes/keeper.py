"""Look, once or again and again: fetch what the logins are now, and bring the cluster to it.

What cannot be fetched takes nothing away: the Secrets that are there stay, and each look says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from regcred.clients.calls import Handed
from regcred.clients.config import ConfigRefused
from regcred.clients.kubernetes.election import RETRY_AFTER, Election
from regcred.clients.kubernetes.reconcile import Outcome, Reconciler, Result, Stopped
from regcred.clients.kubernetes.refusals import ClusterUnreachable
from regcred.clients.kubernetes.timing import next_look
from regcred.clients.kubernetes.wanted import Logins, NoPullSecret, read_logins
from regcred.clients.problems import ApiError, ApiProblem, InvalidName

_SLICE = 1.0
_BUSY, _SERVER_ERROR = 429, 500
_KEEPS = "the Secrets that are there stay as they are"

Fetch = Callable[[str | None], Handed]
"""Ask the service for the manifest, or that what has this ETag is still it."""

Say = Callable[[str], None]


class Trouble(StrEnum):
    """Why there were no fresh logins."""

    NONE = "none"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNUSABLE = "unusable"
    WITHHELD = "withheld"
    NO_LOGIN = "no login"


_NOTHING = {"no-login": Trouble.NO_LOGIN, "logins-withheld": Trouble.WITHHELD}
"""By the slug of the service's problem."""


class Look(NamedTuple):
    """What one pass came to."""

    outcomes: list[Outcome]
    trouble: Trouble
    expires_at: datetime | None

    @property
    def failed(self) -> bool:
        """Whether something is not as it should be."""
        bad = any(one.result is Result.FAILED for one in self.outcomes)
        return bad or self.trouble is not Trouble.NONE


class Clock(Protocol):
    """The two clocks, and the only thing that waits."""

    def steady(self) -> float: ...

    def now(self) -> datetime: ...

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether this process is to end."""
        ...


class Keeper:
    """One sync. Only `look` and `run` do anything."""

    def __init__(
        self, fetch: Fetch, reconciler: Reconciler, say: Say, now: Callable[[], datetime]
    ) -> None:
        self._fetch = fetch
        self._reconciler = reconciler
        self._say = say
        self._now = now
        self._logins: Logins | None = None
        self._told_trouble = ""

    def look(self) -> Look:
        """Fetch and reconcile once. Raise ClusterUnreachable, Stopped."""
        logins, trouble = self._fetched()
        outcomes = self._reconciler.reconcile(logins)
        report(outcomes, self._say)
        return Look(outcomes, trouble, logins.expires_at if logins else None)

    def run(
        self, interval: float, clock: Clock, election: Election | None, chance: Callable[[], float]
    ) -> None:
        """Look until the clock says to end."""
        failures = 0
        led: bool | None = None
        while not clock.wait(0):
            leads = self._leads(election)
            if election is not None:
                self._tell(led, leads, election.trouble)
            led = leads
            if not leads:
                clock.wait(RETRY_AFTER)
                continue
            failed, expires_at = self._look_safely()
            failures = failures + 1 if failed else 0
            left = (expires_at - clock.now()).total_seconds() if expires_at else None
            self._sleep(next_look(interval, failures, left, chance()), clock, election)
        if election is not None:
            election.resign()

    def _leads(self, election: Election | None) -> bool:
        if election is None:
            return True
        leads = election.leads()
        if (trouble := election.trouble) != self._told_trouble:
            self._told_trouble = trouble
            self._say(f"The lease: {trouble or 'the cluster answers again'}.")
        return leads

    def _tell(self, led: bool | None, leads: bool, trouble: str) -> None:
        if led == leads:
            return
        if leads:
            self._say("This process leads.")
        elif not trouble:
            self._say("Another process leads.")
        elif led:
            self._say("This process leads no longer.")

    def _sleep(self, seconds: float, clock: Clock, election: Election | None) -> None:
        until = clock.steady() + seconds
        while (left := until - clock.steady()) > 0:
            if clock.wait(min(_SLICE, left)) or not self._leads(election):
                return

    def _look_safely(self) -> tuple[bool, datetime | None]:
        try:
            look = self.look()
        except Stopped:
            return False, None
        except ClusterUnreachable as why:
            self._say(f"The cluster: {why}; trying again.")
            return True, None
        return look.failed, look.expires_at

    def _fetched(self) -> tuple[Logins | None, Trouble]:
        """Return what may be written now.

        While the service is away that is what was fetched before, until the first of it ends.
        """
        before = self._logins
        try:
            handed = self._fetch(before.etag or None if before else None)
            fresh = before if before and handed.unchanged else read_logins(handed)
        except (ApiError, ConfigRefused, NoPullSecret) as why:
            self._say(f"WARNING: {why}; {_KEEPS}.")
            trouble = _trouble(why)
            if trouble is not Trouble.UNREACHABLE or self._ended(before):
                self._logins = None
            return self._logins, trouble
        if not fresh.registries:
            self._logins = None
            self._say(f"WARNING: {_none(fresh)}; {_KEEPS}.")
            return None, Trouble.WITHHELD if fresh.withheld else Trouble.NO_LOGIN
        if fresh.withheld:
            self._say(f"WARNING: withheld, and left out of the Secrets: {fresh.withheld}.")
        if fresh.left_out and fresh is not before:
            self._say(f"WARNING: not in the Secrets: {fresh.left_out}.")
        self._logins = fresh
        return fresh, Trouble.NONE

    def _ended(self, logins: Logins | None) -> bool:
        ends = logins.expires_at if logins else None
        return ends is not None and ends <= self._now()


def _none(logins: Logins) -> str:
    if logins.withheld:
        return f"every login is withheld ({logins.withheld})"
    if logins.left_out:
        return f"no pull secret can hold these logins: {logins.left_out}"
    return "no login fits"


def _trouble(why: Exception) -> Trouble:
    if isinstance(why, NoPullSecret):
        return Trouble.UNUSABLE
    if isinstance(why, ApiProblem):
        if why.slug in _NOTHING:
            return _NOTHING[why.slug]
        passing = why.status == _BUSY or why.status >= _SERVER_ERROR
        return Trouble.UNREACHABLE if passing else Trouble.REFUSED
    return Trouble.REFUSED if isinstance(why, ConfigRefused | InvalidName) else Trouble.UNREACHABLE


def report(outcomes: list[Outcome], say: Say) -> None:
    """Say what changed and what failed, a line each; what stayed the same is only counted."""
    for namespace, result, why in outcomes:
        if result is not Result.UNCHANGED:
            where = f"namespace {namespace}" if namespace else "the cluster"
            say(f"{where}: {result}{f': {why}' if why else ''}")
    counts = Counter(one.result for one in outcomes)
    say(", ".join(f"{counts[result]} {result}" for result in Result if counts[result]) or "nothing")
