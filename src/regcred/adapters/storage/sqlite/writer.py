"""One thread that writes: whatever waits is committed together, each write whole by itself.

The one thing you would get wrong: when to answer. A write is acknowledged after the COMMIT that
holds it succeeded, and no outcome of a batch that failed to commit is told, not even a refusal:
it may rest on a neighbour's row that is gone again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar, overload

from regcred.adapters.storage.commits import SECONDS, WRITES
from regcred.adapters.storage.sql.fetch_log import digest
from regcred.adapters.storage.sql.recent import Recent
from regcred.adapters.storage.sql.reveals import RevealLog
from regcred.adapters.storage.sql.rows import micros
from regcred.adapters.storage.sql.transaction import Clash, Sign, Transaction, Work
from regcred.adapters.storage.sqlite.failures import unavailable
from regcred.adapters.storage.sqlite.scrubbing import Scrubber
from regcred.adapters.storage.sqlite.transaction import SqliteTransaction
from regcred.domain.audit import Reveal
from regcred.domain.errors import StoreUnavailable
from regcred.domain.tally import Tally

_A = TypeVar("_A")
_T = TypeVar("_T")

_FAILURES = (sqlite3.Error, UnicodeDecodeError, Clash)
MAX_BATCH = 512
MAX_WAITING = 8192


Together = Callable[[Transaction, Sequence[_A]], Awaitable[Sequence[_T | Exception]]]
"""Does many writes that are alike, and returns what came of each."""


class Alike(NamedTuple, Generic[_A, _T]):
    """Writes that are done together with others like them; each has an outcome of its own."""

    together: Together[_A, _T]
    ones: Sequence[_A]


class _Job(NamedTuple, Generic[_T]):
    """A write that waits, or reveals, which are written together with others like them."""

    work: Work[_T] | Alike[Any, Any] | Sequence[Reveal]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[_T]


def _writes(job: _Job[Any]) -> int:
    """Return how many writes a job is."""
    if callable(job.work):
        return 1
    return len(job.work.ones if isinstance(job.work, Alike) else job.work)


class _Outcome(NamedTuple):
    job: _Job[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Owns the writing connection. `submit` and `close` may be called from any event loop."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        sign: Sign | None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.sign = sign
        self.commits = 0
        """How many transactions were committed."""

        self.commit_seconds, self.commit_writes = Tally(SECONDS), Tally(WRITES)
        """How long commits took, with the work in them, and how many writes they held."""

        self.last_commit: float | None = None
        """When the newest COMMIT succeeded (monotonic seconds); None after one that failed."""

        self._connection = connection
        self._waiting: list[_Job[Any]] = []
        self._gathering: asyncio.AbstractEventLoop | None = None
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._max_waiting = max_waiting
        self._reveals = RevealLog()
        self._moved = Recent()
        """What `move` moved: most of those who poll cost no commit. Belongs to the event loop."""

        self._scrubber = Scrubber(connection, time.monotonic)
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @overload
    def submit(self, work: Alike[Any, _T]) -> asyncio.Future[Sequence[_T | Exception]]: ...
    @overload
    def submit(self, work: Work[_T] | Sequence[Reveal]) -> asyncio.Future[_T]: ...
    def submit(self, work: Any) -> asyncio.Future[Any]:
        """Queue a write; the future is done once the write is durable or refused.

        A waiter that is cancelled takes nothing back: the write may commit. Raise
        StoreUnavailable when too many wait already, or after `close`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            if len(self._waiting) >= self._max_waiting:
                raise StoreUnavailable("too many writes are waiting")
            self._waiting.append(_Job(work, loop, future))
            first = self._gathering is not loop
            self._gathering = loop
        # The thread is woken once the loop has run what is ready now: requests come in waves,
        # and one commit for a wave costs a fraction of one for each of its requests.
        if first:
            loop.call_soon(self._wake.put, True)
        return future

    @property
    def waiting(self) -> int:
        """How many writes wait for the next commit."""
        return sum(map(_writes, self._waiting))

    async def move(self, reveal: Reveal) -> None:
        """Move last uses and fetches alone, at most once a minute; what cannot be is lost."""
        if not self._moved.due(digest(reveal), micros(reveal.at)):
            return
        try:
            await self.submit(lambda transaction: self._reveals.move(transaction, [reveal]))
        except StoreUnavailable:
            self._moved.forget()

    def close(self) -> None:
        """Commit what waits, then stop. Closing twice is nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._wake.put(False)
        self._thread.join()

    def _run(self) -> None:
        """Commit batches until the end marker, tidying up whenever nothing waits."""
        more = True
        while more:
            batch, more = self._take()
            if batch:
                _settle(self._commit(batch))
            if self._scrubber.due(idle=not batch):
                self._scrubber.scrub()
        self._scrubber.scrub()
        self._connection.close()

    def _take(self) -> tuple[list[_Job[Any]], bool]:
        """Wait to be woken and take what waits; empty when it is time to tidy up.

        The second value is False once the store is closed and nothing waits any more.
        """
        try:
            more = self._wake.get(timeout=self._scrubber.wait())
        except Empty:
            more = True
        with self._lock:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            self._gathering = None
            if self._waiting:
                self._wake.put(more)
                more = True
        return batch, more

    def _commit(self, batch: list[_Job[Any]]) -> list[_Outcome]:
        began = time.monotonic()
        try:
            transaction = SqliteTransaction(self._connection, self.sign)
            outcomes = self._attempt_all(transaction, batch)
            transaction.commit()
        except BaseException as error:  # noqa: BLE001  whatever it is, nobody waits for ever
            self._give_up()
            return [_Outcome(job, error=unavailable(error)) for job in batch]
        self.commits += 1
        self.last_commit = time.monotonic()
        self.commit_seconds.add(self.last_commit - began)
        self.commit_writes.add(sum(map(_writes, batch)))
        if transaction.secrets_died:
            self._scrubber.wanted()
        return outcomes

    def _attempt_all(
        self, transaction: SqliteTransaction, batch: list[_Job[Any]]
    ) -> list[_Outcome]:
        reveals: list[Reveal] = []
        waiting: list[_Job[Any]] = []
        alike: defaultdict[Together[Any, Any], list[tuple[_Job[Any], Sequence[Any]]]]
        alike = defaultdict(list)
        outcomes: list[_Outcome] = []
        for job in batch:
            if isinstance(job.work, Alike):
                alike[job.work.together].append((job, job.work.ones))
            elif callable(job.work):
                outcomes.append(_Outcome(job, *_attempt(transaction, job.work)))
            else:
                reveals += job.work
                waiting.append(job)
        for together, jobs in alike.items():
            every = [one for _, ones in jobs for one in ones]
            made = iter(_attempt_together(transaction, together, every))
            outcomes += [_Outcome(job, list(islice(made, len(ones)))) for job, ones in jobs]
        if reveals:
            result, error = _attempt(transaction, lambda t: self._reveals.write(t, reveals))
            outcomes += [_Outcome(job, result, error) for job in waiting]
        return outcomes

    def _give_up(self) -> None:
        self.last_commit = None
        self._reveals.forget()
        try:
            # SQLite has already rolled back by itself after some errors (a full disk, for one).
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Then the next BEGIN fails and says why to those who wait for it.
            return


def finished(awaitable: Awaitable[_T]) -> _T:
    """Run what never suspends to its end: everything that awaits SQLite alone."""
    steps = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: _T = end.value
        return result
    raise RuntimeError("a write awaited something else than its transaction")


def _attempt(transaction: SqliteTransaction, work: Work[_T]) -> tuple[_T | None, Exception | None]:
    """Run one write in a savepoint; a refusal undoes that write alone."""
    mark = transaction.savepoint()
    try:
        result = finished(work(transaction))
    except Exception as error:
        if not transaction.alive:
            raise
        transaction.roll_back_to(mark)
        return None, unavailable(error) if isinstance(error, _FAILURES) else error
    transaction.release()
    return result, None


def _attempt_together(
    transaction: SqliteTransaction, together: Together[_A, _T], ones: Sequence[_A]
) -> Sequence[_T | Exception]:
    """Do writes that are alike in one savepoint; if that fails, each of them in its own."""
    results, error = _attempt(transaction, lambda t: together(t, ones))
    if error is None:
        return results or []
    if len(ones) == 1:
        return [error]
    return [o for one in ones for o in _attempt_together(transaction, together, [one])]


def _settle(outcomes: Sequence[_Outcome]) -> None:
    """Wake the waiters, with one call into each event loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome.job.loop].append(outcome)
    for loop, its in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, its)
        except RuntimeError:
            # The loop was closed: nobody is left to hear of it, and the write stands.
            continue


def _resolve(outcomes: Sequence[_Outcome]) -> None:
    for job, result, error in outcomes:
        if job.future.done():
            continue  # the waiter was cancelled
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
