"""Pulls that wait for an exchange: a bounded number, and no project takes all places."""

from __future__ import annotations

from collections import Counter

from regcred.domain.ports import Bell

ROOM = 2048
"""Requests that the service has under way at once, if nothing else is said."""

_LOOK_AGAIN = 0.5
"""Seconds: what another process exchanged rings no bell here."""


class WaitingPulls:
    """Those that wait in this process, by project.

    A rollout has a thousand nodes wait for one login, so a project may have half of all places;
    all projects together leave a quarter to those who need not wait.
    """

    def __init__(self, done: Bell, room: int) -> None:
        """Take the bell that rings when an exchange has ended, and how many places there are."""
        self._done = done
        self._most = room * 3 // 4
        self._most_of_one = room // 2
        self._waiting: Counter[str] = Counter()

    async def turn(self, project_id: str) -> bool:
        """Wait until an exchange has ended, or a moment; False: too many wait already."""
        waiting = self._waiting
        if waiting.total() >= self._most or waiting[project_id] >= self._most_of_one:
            return False
        waiting[project_id] += 1
        try:
            await self._done.wait(_LOOK_AGAIN)
        finally:
            waiting[project_id] -= 1
            if not waiting[project_id]:
                del waiting[project_id]
        return True
