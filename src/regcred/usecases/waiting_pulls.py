"""Pulls that wait for an exchange: a bounded number, and no project takes all places."""

from __future__ import annotations

from collections import Counter

from regcred.domain.ports import Bell

MAX_WAITING = 256
"""Pulls that wait at once: others must not find all places taken by them."""

MAX_WAITING_OF_ONE = 64
"""Of one project: others' pulls wait too."""

_LOOK_AGAIN = 0.5
"""Seconds: what another process exchanged rings no bell here."""


class WaitingPulls:
    """Those that wait in this process, by project."""

    def __init__(self, done: Bell) -> None:
        """Take the bell that rings when an exchange has ended."""
        self._done = done
        self._waiting: Counter[str] = Counter()

    async def turn(self, project_id: str) -> bool:
        """Wait until an exchange has ended, or a moment; False: too many wait already."""
        waiting = self._waiting
        if waiting.total() >= MAX_WAITING or waiting[project_id] >= MAX_WAITING_OF_ONE:
            return False
        waiting[project_id] += 1
        try:
            await self._done.wait(_LOOK_AGAIN)
        finally:
            waiting[project_id] -= 1
            if not waiting[project_id]:
                del waiting[project_id]
        return True
