"""How many requests a key's home project may make through one wire language, and what is left."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Self
from uuid import UUID

from starlette.types import Scope

from regcred.domain.errors import QuotaExceeded
from regcred.web.windows import WINDOW, Windows

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


class Meter:
    """Counts one wire language's requests by project, reads and writes apart."""

    def __init__(self, budget: Budget, monotonic: Callable[[], float]) -> None:
        self._budget = budget
        self._windows: Windows[tuple[UUID, bool]] = Windows(monotonic)

    def take(self, project: UUID, method: str) -> tuple[Left, bool]:
        """Count one request; return what is left, and whether there was none for it."""
        limit = self._limit(method)
        taken = self._windows.take((project, _reads(method)), limit)
        return Left(limit, taken.remaining, taken.reset), taken.exceeded

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
