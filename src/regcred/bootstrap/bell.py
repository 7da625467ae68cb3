"""The ports `Bell` and `PlaceBells`: they wake tasks of this process."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from regcred.domain.ports import LoginPlace


class TaskBell:
    """Rings for everyone who waits at that moment, and for nobody who comes later."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everyone who waits now."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()


class TaskBells:
    """Such a bell for each place that somebody waits for, and none for any other."""

    def __init__(self) -> None:
        self._bells: dict[LoginPlace, TaskBell] = {}
        self._waiting: Counter[LoginPlace] = Counter()

    def ring(self, place: LoginPlace) -> None:
        """Wake everyone who waits for the place now."""
        if place in self._bells:
            self._bells[place].ring()

    async def wait(self, place: LoginPlace, seconds: float) -> None:
        """Return when the place's bell rings, or after so many seconds."""
        bell = self._bells.setdefault(place, TaskBell())
        self._waiting[place] += 1
        try:
            await bell.wait(seconds)
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._bells[place], self._waiting[place]
