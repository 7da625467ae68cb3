"""Whose writes may take a connection: not all of them one project's, and never all connections.

A write that waits for a locked row keeps its connection until it has the row or gives up. What
reads, hands out logins or creates in batches waits for no single row, and must find a connection
meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from regcred.adapters.storage.postgres.pool import MAX_WAITING, WAIT_SECONDS
from regcred.domain.errors import StoreUnavailable

MOST = 4
"""Writes that may hold a connection and wait for rows."""

OF_ONE = 2
"""Those of one place: while one commits the next stands at the row."""


class _Place:
    """A project, or whatever else has rows to wait for."""

    __slots__ = ("here", "turns")

    def __init__(self, most: int) -> None:
        self.turns = asyncio.Semaphore(most)
        self.here = 0
        """Who waits or goes."""


class Turns:
    """Lets so many go at a time, and so many of one place."""

    def __init__(self, most: int = MOST, of_one: int = OF_ONE) -> None:
        self._all = asyncio.Semaphore(most)
        self._of_one = of_one
        self._places: dict[Hashable, _Place] = {}
        self._here = 0

    @asynccontextmanager
    async def turn(self, place: Hashable) -> AsyncIterator[None]:
        """Wait for a turn and keep it. Raise StoreUnavailable when none comes."""
        if self._here >= MAX_WAITING:
            raise StoreUnavailable("too many requests wait for the database")
        mine = self._places.setdefault(place, _Place(self._of_one))
        self._here += 1
        mine.here += 1
        try:
            await self._wait(mine.turns)
            try:
                yield
            finally:
                self._all.release()
                mine.turns.release()
        finally:
            self._here -= 1
            mine.here -= 1
            if not mine.here:
                del self._places[place]

    async def _wait(self, mine: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await mine.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    mine.release()
                    raise
        except TimeoutError:
            raise StoreUnavailable("others' writes wait for a row that is locked") from None
