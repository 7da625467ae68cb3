"""Connections: opened when they are needed, kept while they work, never left in a transaction."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import Connection

from regcred.adapters.storage.postgres.address import Address
from regcred.adapters.storage.postgres.failures import ERRORS, broken
from regcred.domain.errors import StoreUnavailable

MAX_WAITING = 8192
"""Requests that may wait for a connection."""

WAIT_SECONDS = 10.0
ROLLBACK_SECONDS = 5.0

_PLANNED_FOR = 0.25
"""Seconds for which a connection keeps its plans.

What was planned on an empty table, a foreign key's look included, reads all of a project;
PostgreSQL keeps such a plan until the table is analysed, which may be a minute and 100,000 rows
later. Planning anew takes a millisecond.
"""


class Replanned:
    """A connection that plans anew, as its tables grow."""

    __slots__ = ("_planned", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._planned = time.monotonic()

    async def refresh(self) -> None:
        """Forget plans that are old. Raise what a statement raises."""
        now = time.monotonic()
        if now - self._planned > _PLANNED_FOR:
            self._planned = now
            await self.connection.execute("DISCARD PLANS")


class Pool:
    """At most `size` connections to one address, for one event loop."""

    def __init__(self, address: Address, size: int) -> None:
        self.address = address
        self._places = asyncio.Semaphore(size)
        self._idle: list[Replanned] = []
        self._waiting = 0
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raise StoreUnavailable when none is to be had."""
        await self._wait()
        try:
            kept = await self._take()
            try:
                await kept.refresh()
                yield kept.connection
            except BaseException as error:
                self._end_broken(kept, error)
                raise
            finally:
                await self._give_back(kept)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._closed = True
        while self._idle:
            await close_quietly(self._idle.pop().connection)

    async def _wait(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not self._places.locked():
            await self._places.acquire()  # at once: a place is free
            return
        if self._waiting >= MAX_WAITING:
            raise StoreUnavailable("too many requests wait for the database")
        self._waiting += 1
        try:
            await asyncio.wait_for(self._places.acquire(), WAIT_SECONDS)
        except TimeoutError:
            raise StoreUnavailable("the database's connections are all taken") from None
        finally:
            self._waiting -= 1

    async def _take(self) -> Replanned:
        while self._idle:
            kept = self._idle.pop()
            if not kept.connection.is_closed():
                return kept
        return Replanned(await self.address.connect())

    def _end_broken(self, kept: Replanned, error: BaseException) -> None:
        if broken(error):
            kept.connection.terminate()
        if isinstance(error, TimeoutError):
            # Whatever swallowed the answer may have swallowed the other connections too.
            while self._idle:
                self._idle.pop().connection.terminate()

    async def _give_back(self, kept: Replanned) -> None:
        connection = kept.connection
        if connection.is_closed():
            return
        if connection.is_in_transaction():
            try:
                await connection.execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
            except ERRORS:
                connection.terminate()
        if self._closed:
            await close_quietly(connection)
        elif not connection.is_closed():
            self._idle.append(kept)


async def close_quietly(connection: Connection) -> None:
    """Close a connection; one that is broken is gone."""
    with contextlib.suppress(*ERRORS):
        await connection.close(timeout=5)
