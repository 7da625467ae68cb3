"""Whose writes may take a connection: not all of them one project's, and never all connections.

A write that waits for a locked row keeps its connection until it has the row or gives up. What
reads, hands out logins or creates in batches waits for no single row, and must find a connection
meanwhile. So one write of a place stands at its row, and the next comes when that one has it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import ExitStack, asynccontextmanager
from math import inf

from regcred.adapters.storage.postgres.pool import MAX_WAITING, WAIT_SECONDS
from regcred.domain.errors import StoreUnavailable

LOCK_SECONDS = 5
"""For a row, of the seconds that a write may wait for its turn and its row."""

MOST = 4
"""Writes that may hold a connection and wait for rows."""

OF_ONE = 2
"""Those of one place: while one works and commits the next stands at the row."""


class _Place:
    """A project, or whatever else has rows to wait for."""

    __slots__ = ("here", "row", "turns")

    def __init__(self, most: int) -> None:
        self.turns = asyncio.Semaphore(most)
        self.row = asyncio.Semaphore(1)
        self.here = 0
        """Who waits or goes."""


class Turn:
    """May wait for a row until it has it."""

    __slots__ = ("_at_row", "_until")

    def __init__(self, at_row: asyncio.Semaphore | None = None, until: float = inf) -> None:
        """`until` a time of `time.monotonic`."""
        self._at_row = at_row
        self._until = until

    @property
    def wait(self) -> int:
        """For how many milliseconds it may still wait for a row."""
        left = min(LOCK_SECONDS, self._until - time.monotonic())
        return max(1, round(left * 1000))  # 0 would be for ever

    def has_row(self) -> None:
        """Let the next of its place stand at the row. Saying so again is nothing."""
        if self._at_row is not None:
            self._at_row.release()
            self._at_row = None


class Turns:
    """Lets so many go at a time, and so many of one place."""

    def __init__(self, most: int = MOST, of_one: int = OF_ONE) -> None:
        self._all = asyncio.Semaphore(most)
        self._of_one = of_one
        self._places: dict[Hashable, _Place] = {}
        self._here = 0

    @asynccontextmanager
    async def turn(self, place: Hashable) -> AsyncIterator[Turn]:
        """Wait for a turn and keep it. Raise StoreUnavailable when none comes."""
        if self._here >= MAX_WAITING:
            raise StoreUnavailable("too many requests wait for the database")
        mine = self._places.setdefault(place, _Place(self._of_one))
        turn = Turn(mine.row, time.monotonic() + WAIT_SECONDS)
        self._here += 1
        mine.here += 1
        try:
            with ExitStack() as kept:
                await self._wait(mine, turn, kept)
                yield turn
        finally:
            self._here -= 1
            mine.here -= 1
            if not mine.here:
                del self._places[place]

    async def _wait(self, mine: _Place, turn: Turn, kept: ExitStack) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                for semaphore, given_back in (
                    (mine.turns, mine.turns.release),
                    (mine.row, turn.has_row),
                    (self._all, self._all.release),
                ):
                    await semaphore.acquire()
                    kept.callback(given_back)
        except TimeoutError:
            raise StoreUnavailable("others' writes wait for a row that is locked") from None
