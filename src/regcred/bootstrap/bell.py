"""The port `Bell`: wakes tasks of this process."""

from __future__ import annotations

import asyncio
from contextlib import suppress


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
