"""How many requests a key's home project may make through one wire language, and what is left.

A fixed window of a minute that begins with a project's first request: what a client was told
about its budget stays true until the window ends.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self
from uuid import UUID

from starlette.types import Scope

from regcred.domain.errors import QuotaExceeded

WINDOW = 60.0
"""Seconds."""

_MAX_WINDOWS = 20_000
_FORM = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})")
_METER, _LEFT = "budget_meter", "budget_left"
"""Where a request's scope carries them."""


class Budget(NamedTuple):
    """Requests a minute: reads (GET and HEAD), and all others."""

    reads: int
    writes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `READS/WRITES`. Raise ValueError."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("must be READS/WRITES a minute, such as 600/60")
        return cls(int(found[1]), int(found[2]))


class Left(NamedTuple):
    """What a client may know: its limit, what is left, and the seconds until it is whole again."""

    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Window:
    ends: float
    taken: int = 0


class Meter:
    """Counts one wire language's requests by project, reads and writes apart."""

    def __init__(self, budget: Budget, monotonic: Callable[[], float]) -> None:
        self._budget = budget
        self._monotonic = monotonic
        self._windows: OrderedDict[tuple[UUID, bool], _Window] = OrderedDict()

    def take(self, project: UUID, method: str) -> tuple[Left, bool]:
        """Count one request; return what is left, and whether there was none for it."""
        limit, now = self._limit(method), self._monotonic()
        key = (project, _reads(method))
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            window = self._windows[key] = _Window(now + WINDOW)
            self._windows.move_to_end(key)
            # The oldest window ends soonest, so it is the least loss.
            if len(self._windows) > _MAX_WINDOWS:
                self._windows.popitem(last=False)
        exceeded = window.taken >= limit
        if not exceeded:
            window.taken += 1
        left = Left(limit, limit - window.taken, max(1, math.ceil(window.ends - now)))
        return left, exceeded

    def whole(self, method: str) -> Left:
        """Return what is left where nothing was taken."""
        limit = self._limit(method)
        return Left(limit, limit, int(WINDOW))

    def _limit(self, method: str) -> int:
        return self._budget.reads if _reads(method) else self._budget.writes


def _reads(method: str) -> bool:
    return method in {"GET", "HEAD"}


def carry_meter(scope: Scope, meter: Meter) -> None:
    """Let `take_request` find the meter of the wire language that a request speaks."""
    scope["state"][_METER] = meter


def take_request(scope: Scope, project: UUID) -> None:
    """Count a request of a project, if its wire language counts. Raise QuotaExceeded."""
    meter: Meter | None = scope["state"].get(_METER)
    if meter is None:
        return
    left, exceeded = meter.take(project, scope["method"])
    scope["state"][_LEFT] = left
    if exceeded:
        raise QuotaExceeded("requests", left.reset)


def left_after(scope: Scope, meter: Meter) -> Left:
    """Return what is left after a request; it is whole for one that was never counted."""
    left: Left = scope["state"].get(_LEFT) or meter.whole(scope["method"])
    return left
