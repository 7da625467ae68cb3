"""How many requests a project may make through one wire language, and what is left of them.

A fixed window of a minute that begins with a project's first request: what a client was told
about its budget stays true until the window ends.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from regcred.domain.errors import QuotaExceeded

WINDOW = 60.0
"""Seconds."""

_MAX_WINDOWS = 20_000


class Budget(NamedTuple):
    """Requests a minute of one project: reads (GET and HEAD), and all others."""

    reads: int
    writes: int


class Spent(NamedTuple):
    """What a client may know: its limit, what is left, and the seconds until it is whole again."""

    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Window:
    ends: float
    taken: int = 0


class Meter:
    """Counts one wire language's requests by project. Without a budget it counts nothing."""

    def __init__(self, budget: Budget | None, monotonic: Callable[[], float]) -> None:
        self._budget = budget
        self._monotonic = monotonic
        self._windows: OrderedDict[tuple[UUID, bool], _Window] = OrderedDict()

    def take(self, state: MutableMapping[str, Any], project: UUID, method: str) -> None:
        """Count one request and leave what is left in `state`. Raise QuotaExceeded."""
        if self._budget is None:
            return
        write = _writes(method)
        limit, now = self._limit(write=write), self._monotonic()
        window = self._windows.get((project, write))
        if window is None or window.ends <= now:
            window = self._windows[project, write] = _Window(now + WINDOW)
            self._windows.move_to_end((project, write))
            # The oldest window ends soonest, so it is the least loss.
            if len(self._windows) > _MAX_WINDOWS:
                self._windows.popitem(last=False)
        reset = max(1, math.ceil(window.ends - now))
        over = window.taken >= limit
        window.taken += not over
        state["spent"] = Spent(limit, limit - window.taken, reset)
        if over:
            raise QuotaExceeded("requests", reset)

    def left(self, state: MutableMapping[str, Any], method: str) -> Spent | None:
        """Return what `take` left in `state`; for a request that it never saw, a whole budget."""
        if self._budget is None:
            return None
        limit = self._limit(write=_writes(method))
        spent: Spent = state.get("spent", Spent(limit, limit, int(WINDOW)))
        return spent

    def _limit(self, *, write: bool) -> int:
        return 0 if self._budget is None else self._budget[write]


def _writes(method: str) -> bool:
    return method not in {"GET", "HEAD", "OPTIONS"}
