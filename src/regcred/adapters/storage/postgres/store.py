"""The PostgreSQL store: the domain's Store port for any number of processes on one database."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Self, TypeVar

from regcred.adapters.storage.postgres.address import Address, connect_first
from regcred.adapters.storage.postgres.checks import last_columns, look_over
from regcred.adapters.storage.postgres.creates import MAX_BATCH as MAX_CREATIONS
from regcred.adapters.storage.postgres.creates import PostgresCredentials
from regcred.adapters.storage.postgres.failures import ERRORS, of_a_value, unavailable
from regcred.adapters.storage.postgres.hot_reads import HotReads, PostgresResolving
from regcred.adapters.storage.postgres.pool import Pool, close_quietly
from regcred.adapters.storage.postgres.reads import Reads
from regcred.adapters.storage.postgres.reveals import PostgresRevealLog
from regcred.adapters.storage.postgres.together import Together
from regcred.adapters.storage.postgres.traces import Trace
from regcred.adapters.storage.postgres.transaction import PostgresTransaction
from regcred.adapters.storage.postgres.walls import REMEMBER
from regcred.adapters.storage.postgres.writes import TOGETHER, Writes, writing
from regcred.adapters.storage.revision import serves
from regcred.adapters.storage.sql.access import Of
from regcred.adapters.storage.sql.fetch_log import digest
from regcred.adapters.storage.sql.nouns import Nouns
from regcred.adapters.storage.sql.recent import Recent
from regcred.adapters.storage.sql.rows import Row, micros
from regcred.adapters.storage.sql.set_back import SetBack
from regcred.adapters.storage.sql.transaction import Parameters, Sign, Transaction, Work
from regcred.domain.audit import NO_PROJECT, AuditEvent, Reveal
from regcred.domain.errors import NameTaken, StoreUnavailable
from regcred.domain.ports import AlreadyDone, Clock, IdempotentRequest, WrappedSeed
from regcred.domain.ports.measuring import StoreFigures
from regcred.domain.project import Project

CONNECTIONS = 8
"""Of one process, for everything but the hot reads."""

_READ = "SELECT checks FROM health WHERE id = 1"
_WRITTEN = "UPDATE health SET checks = checks + 1 WHERE id = 1"
_REVISION = "SELECT version_num FROM alembic_version"
_KEEP = f"SELECT public.{REMEMBER}(?, ?, ?, ?, ?, ?)"
_PROVEN_FOR = 1.0
_MAX_REVEALS = 512

_T = TypeVar("_T")


class PostgresStore(PostgresResolving, PostgresCredentials, Nouns):
    """Implements `regcred.domain.ports.Store`; nothing in it depends on being the only process.

    What it remembers are last uses that were moved within the minute: forgotten, they are moved
    once too often. `close` commits what waits.
    """

    shared = True
    """Other processes serve it too."""

    def __init__(self, pool: Pool, writes: Writes, clock: Clock) -> None:
        self._pool = pool
        self._reads = Reads(pool)
        self._writes = writes
        self._clock = clock
        self._hot = HotReads(pool.address)
        self._reveal_log = PostgresRevealLog()
        self._moved = Recent()
        self._reveals = Together(self._write_reveals, most=_MAX_REVEALS)
        self._creations = Together(self._create, most=MAX_CREATIONS)
        self._held = {}

    @classmethod
    async def open(
        cls, address: Address, *, sign: Sign | None = None, clock: Clock, warn: bool = True
    ) -> Self:
        """Open the store at an address; `sign` makes the audit rows' signatures.

        `warn` of settings of the database that are not safe to serve from.

        Raise StartRefused: see `checks.look_over`; StoreUnavailable when the database is away.
        """
        connection = await connect_first(address)
        try:
            async with connection.transaction(readonly=True):
                await look_over(connection, warn=warn)
                columns = await last_columns(connection)
        except ERRORS as error:
            raise unavailable(error) from error
        finally:
            await close_quietly(connection)
        pool = Pool(address, CONNECTIONS)
        return cls(pool, Writes(pool, columns, sign), clock)

    @classmethod
    def to_look_over(cls, address: Address, *, clock: Clock) -> Self:
        """Open a store to read all of it, as whatever role, and never to serve from."""
        pool = Pool(address.patient(), CONNECTIONS)
        return cls(pool, Writes(pool, {}, None), clock)

    def sign_with(self, sign: Sign) -> None:
        """Sign every audit row from now on: its key may itself lie in this store."""
        self._writes.sign = sign

    async def look_apart(self, look: Callable[[SetBack], Awaitable[_T]]) -> _T:
        """Return what `look` finds on a connection of its own, however long that takes."""
        apart = self.to_look_over(self._pool.address, clock=self._clock)
        try:
            return await look(apart)
        finally:
            await apart.close()

    def replaced(self) -> bool:
        """Whether something else lies where this store was opened: that a database tells itself."""
        return False

    @property
    def commits(self) -> int:
        """How many transactions were committed since the store was opened."""
        return self._writes.commits

    def figures(self) -> StoreFigures:
        """Return what the store says of its own work."""
        writes = self._writes
        waiting = writes.running + self._reveals.waiting + self._creations.waiting
        return StoreFigures(writes.commit_seconds, writes.commit_writes, waiting, None)

    async def close(self) -> None:
        """Commit what waits, and close. Closing twice is nothing."""
        await self._reveals.finish()
        await self._creations.finish()
        for held in list(self._held.values()):
            await held.finish()
        await self._writes.finish()
        await self._hot.close()
        await self._pool.close()

    async def record_reveal(self, reveal: Reveal) -> None:
        """Commit the audit row of an answer before it leaves; see the port."""
        await self._reveals.ask(reveal)

    async def record_reveals(self, reveals: Sequence[Reveal]) -> Sequence[Exception | None]:
        """Commit the audit rows of a wave's answers; see the port."""
        return await self._reveals.ask_all(reveals)

    async def record_use(self, reveal: Reveal) -> None:
        """Move last uses and fetches without an audit row; see the port."""
        if not self._moved.due(digest(reveal), micros(reveal.at)):
            return
        try:
            if await self._run_moving(lambda t: self._reveal_log.move(t, [reveal])):
                self._moved.undo(digest(reveal))
        except StoreUnavailable:
            self._moved.forget()

    async def create_project(
        self,
        project: Project,
        seed: WrappedSeed,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Project:
        """Store a project under the next number; see the port."""
        await self._refuse_done(idempotent)
        try:
            return await super().create_project(project, seed, event, idempotent)
        except (NameTaken, AlreadyDone):
            await self._refuse_done(idempotent)  # by its like, meanwhile
            raise

    async def _refuse_done(self, request: IdempotentRequest | None) -> None:
        """Raise AlreadyDone if a request did something in a project that only `*` shows."""
        if request is not None:
            done = await self.find_idempotent(request.principal, request.key)
            if done is not None:
                raise done

    async def find_idempotent(self, principal: str, key: str) -> AlreadyDone | None:
        """Return what an Idempotency-Key did within its 24 hours, if anything."""
        return await self._done_before(self._one, principal, key)

    async def check(self) -> None:
        """Pass if the store can be read and written. Raise StoreUnavailable.

        A commit of the last second is proof enough, so that asking costs no disk writes.
        """
        await self._all(_READ)
        last = self._writes.last_commit
        if last is None or time.monotonic() - last > _PROVEN_FOR:
            await self._write(lambda transaction: transaction.change(_WRITTEN), of=NO_PROJECT)

    async def at_head(self) -> bool:
        """Whether this program may go on with the schema; see `serves`. Raise StoreUnavailable."""
        row = await self._one(_REVISION)
        return row is not None and serves(row[0])

    async def _all(
        self, statement: str, parameters: Parameters = (), *, of: Of = None
    ) -> list[Row]:
        return await self._reads.all(statement, parameters, of)

    async def _write(self, work: Work[_T], *, of: Of = None) -> _T:
        return await self._writes.run(writing(of), work, place=str(of))

    async def _write_rows(self, work: Work[_T]) -> _T:
        """Run a write without a lock of its own."""
        return await self._writes.run(TOGETHER, work, place="rows of its own")

    async def _keep(self, transaction: Transaction, row: Row, oldest: int) -> bool:
        return await transaction.one(_KEEP, (*row, oldest)) == (True,)

    @property
    def _sign(self) -> Sign | None:
        return self._writes.sign

    async def _write_reveals(self, reveals: Sequence[Reveal]) -> Sequence[Exception | None]:
        """Write a batch, or where a value makes it fail its halves: what is told is told to one."""
        try:
            await self._run_moving(lambda t: self._reveal_log.write(t, reveals), len(reveals))
        except StoreUnavailable as error:
            if not of_a_value(error.__cause__):
                raise
            if len(reveals) == 1:
                return [error]
        else:
            return [None] * len(reveals)
        middle = len(reveals) // 2
        return [
            *await self._write_reveals(reveals[:middle]),
            *await self._write_reveals(reveals[middle:]),
        ]

    async def _run_moving(self, move: Work[None], writes: int = 1) -> bool:
        """Run a write of the reveal log, and return whether rows were left to who had them locked.

        It remembers nothing of them, nor of a transaction that is gone.
        """
        moved = False

        async def work(transaction: PostgresTransaction) -> Trace:
            nonlocal moved
            if moved:
                self._reveal_log.forget()
            moved = True
            await move(transaction)
            return transaction.trace  # which is left after the work

        try:
            trace = await self._writes.run(TOGETHER, work, writes)
        except Exception:
            self._reveal_log.forget()
            raise
        return self._reveal_log.undo(trace)
