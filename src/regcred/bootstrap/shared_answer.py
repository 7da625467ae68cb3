"""One answer for all who ask at the same time: what anybody may ask must not cost each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")

KEPT = 1.0
"""Seconds from a question for which its answer is everybody's."""


class SharedAnswer(Generic[_T]):
    """Asks at most once at a time, and once in `KEPT`."""

    def __init__(
        self, ask: Callable[[], Awaitable[_T]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._asked: asyncio.Future[_T] | None = None
        self._since = 0.0

    async def __call__(self) -> _T:
        """Return the answer. Raise what asking raises."""
        asked = self._asked
        if asked is None or (asked.done() and self._monotonic() - self._since >= KEPT):
            self._since = self._monotonic()
            self._asked = asked = asyncio.ensure_future(self._ask())
        # Whoever asked first may leave before the answer is there.
        return await asyncio.shield(asked)
