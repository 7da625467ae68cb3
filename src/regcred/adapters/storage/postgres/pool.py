"""Connections: opened when they are needed, kept while they work, never left in a transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import Connection

from regcred.adapters.storage.postgres.address import Address
from regcred.adapters.storage.postgres.failures import ERRORS
from regcred.domain.errors import StoreUnavailable

MAX_WAITING = 8192
"""Requests that may wait for a connection."""

WAIT_SECONDS = 10.0


class Pool:
    """At most `size` connections to one address, for one event loop."""

    def __init__(self, address: Address, size: int) -> None:
        self.address = address
        self._places = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._waiting = 0
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raise StoreUnavailable when none is to be had."""
        await self._wait()
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._closed = True
        while self._idle:
            await close_quietly(self._idle.pop())

    async def _wait(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._waiting >= MAX_WAITING:
            raise StoreUnavailable("too many requests wait for the database")
        self._waiting += 1
        try:
            await asyncio.wait_for(self._places.acquire(), WAIT_SECONDS)
        except TimeoutError:
            raise StoreUnavailable("the database's connections are all taken") from None
        finally:
            self._waiting -= 1

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self.address.connect()

    async def _give_back(self, connection: Connection) -> None:
        if connection.is_in_transaction():
            try:
                await connection.execute("ROLLBACK")
            except ERRORS:
                connection.terminate()
        if self._closed:
            await close_quietly(connection)
        elif not connection.is_closed():
            self._idle.append(connection)


async def close_quietly(connection: Connection) -> None:
    """Close a connection; one that is broken is gone."""
    with contextlib.suppress(*ERRORS):
        await connection.close(timeout=5)
