"""Pulls that wait for an exchange: a bounded number, and no two projects take all places."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from regcred.domain.ports import LoginPlace, PlaceBells

ROOM = 2048
"""Requests that the service has under way at once, if nothing else is said."""

_LOOK_AGAIN = 0.5
"""Seconds: what another process exchanged rings no bell here."""

_LOOK_TOGETHER = 128
"""Pulls that wait for one place and look twice as seldom as one: one that finds it rings."""


class WaitingPulls:
    """Those that wait in this process, by project and by place.

    A rollout has a thousand nodes wait for one login, so a project may have half of all places
    while they are there. Once half of them wait a project has a few, so that another whose cloud
    is slow doesn't take the other half; and it waits for a few different logins at most, which no
    rollout needs. All together leave a quarter to those who need not wait.
    """

    def __init__(self, done: PlaceBells, room: int) -> None:
        """Take the bells that ring when an exchange has ended, and how many places there are."""
        self._done = done
        self._most = room * 3 // 4
        self._half = room // 2
        self._few = max(1, room // 32)
        self._total = 0
        self._waiting: dict[str, Counter[LoginPlace]] = {}

    async def turn(self, place: LoginPlace, left: timedelta) -> bool:
        """Wait until an exchange at the place has ended, or a moment, and no longer than is left.

        False: too many wait already.
        """
        waiting = self._waiting.get(place.project_id, Counter())
        if self._full(waiting, place):
            return False
        self._waiting[place.project_id] = waiting
        waiting[place] += 1
        self._total += 1
        moment = _LOOK_AGAIN * (1 + waiting[place] / _LOOK_TOGETHER)
        try:
            await self._done.wait(place, min(moment, left.total_seconds()))
        finally:
            self._total -= 1
            waiting[place] -= 1
            if not waiting[place]:
                del waiting[place]
            if not waiting:
                del self._waiting[place.project_id]
        return True

    def _full(self, waiting: Counter[LoginPlace], place: LoginPlace) -> bool:
        """Whether a project with these pulls may have no other, at this place."""
        if self._total >= self._most or (place not in waiting and len(waiting) >= self._few):
            return True
        return waiting.total() >= (self._half if self._total < self._half else self._few)
