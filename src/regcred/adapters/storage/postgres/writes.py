"""How a write runs: what is locked before it, and the one place that runs a write again.

The nouns' writes look first and change then, which is sound only if nothing comes in between. So a
write of one project locks its row first, and from then on sees what is committed: writes of one
project run one after the other. What concerns the whole store locks the audit's numbers instead,
where all writers meet. What goes through every project locks nothing and is SERIALIZABLE: whatever
came in between makes it fail, and it runs again.

The one thing you would get wrong: running a write again. Only what certainly did not happen may be:
a conflict that the database reports. A COMMIT whose answer got lost may have happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import TypeVar

import asyncpg

from regcred.adapters.storage.commits import SECONDS, WRITES
from regcred.adapters.storage.postgres.failures import ERRORS, unavailable
from regcred.adapters.storage.postgres.pool import Pool
from regcred.adapters.storage.postgres.reads import shown
from regcred.adapters.storage.postgres.traces import Next
from regcred.adapters.storage.postgres.transaction import PostgresTransaction
from regcred.adapters.storage.postgres.turns import Turn, Turns
from regcred.adapters.storage.postgres.walls import EVERY, SETTING
from regcred.adapters.storage.sql.access import Of
from regcred.adapters.storage.sql.transaction import Clash, Sign
from regcred.domain.audit import NO_PROJECT
from regcred.domain.tally import Tally

_T = TypeVar("_T")

Work = Callable[[PostgresTransaction], Awaitable[_T]]

ATTEMPTS = 10
_LOOKS = 2
"""Further attempts where a row is missing: if that is no race, no attempt will find it."""

_PAUSE = 0.002
"""Seconds before the second attempt, about; each later one waits twice as long."""

_CONFLICTS = (
    asyncpg.SerializationError,  # 40001
    asyncpg.DeadlockDetectedError,  # 40P01
    # A row that was looked for is gone, or has a new one hanging on it: looking again tells.
    asyncpg.ForeignKeyViolationError,  # 23503
)

IDLE_SECONDS = 2
"""After which a process that says nothing in mid-transaction loses it, with all that it locked.

Shorter than anybody waits for a row: one that hangs fails itself, and not those who wait.
"""

# Nobody waits for ever, and nobody who is gone is waited for. One message with BEGIN.
_LIMITS = (
    "SET LOCAL lock_timeout = {wait}; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'; "
    f"SET LOCAL {SETTING} = "
)


def writing(of: Of) -> str:
    """Return what begins a transaction that writes, with its lock, for a `wait` in milliseconds."""
    if of is None:
        return f"BEGIN ISOLATION LEVEL SERIALIZABLE; {_LIMITS}'{EVERY}'"
    if of == NO_PROJECT:
        lock = "SELECT 1 FROM audit_numbers WHERE id = 1 FOR UPDATE"
    else:
        lock = f"SELECT 1 FROM projects WHERE id = '{of}' FOR NO KEY UPDATE"  # noqa: S608  a UUID
    return f"BEGIN; {_LIMITS}'{shown(of)}'; {lock}"


TOGETHER = f"BEGIN; {_LIMITS}'{EVERY}'"
"""Begins a transaction for writes of several projects that lock their own rows."""


class Writes:
    """Runs writes, each in a transaction of its own."""

    def __init__(self, pool: Pool, columns: Mapping[str, str], sign: Sign | None) -> None:
        self.sign = sign
        self.last_commit: float | None = None
        """When the newest COMMIT succeeded (monotonic seconds); None after a failure."""

        self.commit_seconds, self.commit_writes = Tally(SECONDS), Tally(WRITES)
        """How long commits took, with the work in them, and how many writes they held."""

        self.commits = 0
        """How many transactions were committed."""

        self._pool = pool
        self._turns = Turns()
        self._columns = columns
        self._next = Next()
        self._running: set[asyncio.Task[object]] = set()

    async def run(
        self, begin: str, work: Work[_T], writes: int = 1, *, place: Hashable = None
    ) -> _T:
        """Run so many writes in one transaction, to the end, also when whoever waits is gone.

        `place` stands for the row that it may have to wait for (`turns.py`); None: it waits for
        nobody's. Raise what it raises, StoreUnavailable.
        """
        task = asyncio.ensure_future(self._in_turn(place, begin, work, writes))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    @property
    def running(self) -> int:
        """How many transactions run or wait for a connection."""
        return len(self._running)

    async def finish(self) -> None:
        """Wait for what runs."""
        while self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # is told to who waits; nobody may

    async def _in_turn(self, place: Hashable, begin: str, work: Work[_T], writes: int) -> _T:
        if place is None:
            return await self._again_while_in_conflict(Turn(), begin, work, writes)
        async with self._turns.turn(place) as turn:
            return await self._again_while_in_conflict(turn, begin, work, writes)

    async def _again_while_in_conflict(
        self, turn: Turn, begin: str, work: Work[_T], writes: int
    ) -> _T:
        conflict: Exception | None = None
        for attempt in range(ATTEMPTS):
            try:
                began = time.monotonic()
                result = await self._attempt(turn, begin, work)
            except _CONFLICTS as error:
                conflict = error
                if attempt >= _LOOKS and isinstance(error, asyncpg.ForeignKeyViolationError):
                    break
                # Those who met would all meet again after the same pause; the clock is die enough.
                await asyncio.sleep(_PAUSE * 2**attempt * (0.5 + time.monotonic_ns() % 1024 / 1024))
            except (*ERRORS, Clash) as error:
                self.last_commit = None
                raise unavailable(error) from error
            else:
                self._committed(began, writes)
                return result
        raise unavailable(conflict or TimeoutError())

    async def _attempt(self, turn: Turn, begin: str, work: Work[_T]) -> _T:
        async with self._pool.connection() as connection:
            transaction = PostgresTransaction(
                connection, self.sign, self._columns, self._next, begin.format(wait=turn.wait)
            )
            if begin != TOGETHER:
                await transaction.begin()  # with the lock that the work relies on
            turn.has_row()
            result = await work(transaction)
            # A pooler that knows no prepared statements may give each its own server.
            at_once = begin == TOGETHER and self._pool.address.prepared
            await transaction.end(at_once=at_once)
        return result

    def _committed(self, began: float, writes: int) -> None:
        self.commits += 1
        self.last_commit = time.monotonic()
        self.commit_seconds.add(self.last_commit - began)
        self.commit_writes.add(writes)
