"""The SQLite store: the domain's Store port, and what only the embedded store offers besides."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Self, TypeVar

from regcred.adapters.storage.revision import serves
from regcred.adapters.storage.sql.access import Access, Of
from regcred.adapters.storage.sql.nouns import Nouns
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.set_back import SetBack
from regcred.adapters.storage.sql.transaction import Parameters, Sign, Work
from regcred.adapters.storage.sqlite.connection import BESIDE, PRAGMAS, connect
from regcred.adapters.storage.sqlite.creates import SqliteCredentials
from regcred.adapters.storage.sqlite.failures import unavailable
from regcred.adapters.storage.sqlite.place import DATABASE, make_private
from regcred.adapters.storage.sqlite.schema import require_head, revision_of
from regcred.adapters.storage.sqlite.waves import Waves
from regcred.adapters.storage.sqlite.writer import Writer, finished
from regcred.domain.audit import Reveal
from regcred.domain.errors import StartRefused, StoreUnavailable
from regcred.domain.ports import AlreadyDone, Clock
from regcred.domain.ports.measuring import StoreFigures

_READ = "SELECT checks FROM health WHERE id = 1"
_WRITTEN = "UPDATE health SET checks = checks + 1 WHERE id = 1"

_PROVEN_FOR = 1.0
"""Seconds for which a successful commit stands for the store's health."""

_T = TypeVar("_T")


class _Reads(Access):
    """Reads that run where they are called. `_reader` is autocommit: each read is fresh."""

    _reader: sqlite3.Connection
    _writer: Writer

    async def _all(
        self, statement: str, parameters: Parameters = (), *, of: Of = None
    ) -> list[Row]:
        """Return every row. Raise StoreUnavailable.

        The statement ends with the call, so that no read holds up a checkpoint.
        """
        try:
            return self._reader.execute(statement, parameters).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise unavailable(error) from error
        except (UnicodeEncodeError, OverflowError):
            return []  # what SQLite cannot hold, it does not hold

    async def _write(self, work: Work[_T], *, of: Of = None) -> _T:
        """Run a write, and return once it is durable. Raise what it raises, StoreUnavailable."""
        return await self._writer.submit(work)

    async def _write_rows(self, work: Work[_T]) -> _T:
        """Run a write: there is one writer for all of them."""
        return await self._writer.submit(work)

    @property
    def _sign(self) -> Sign | None:
        return self._writer.sign


class SqliteStore(Waves, SqliteCredentials, Nouns, _Reads):
    """Implements `regcred.domain.ports.Store` on one file.

    Reads run where they are called, on the event loop's thread, in microseconds; writes go
    through one thread that commits waiting writes together. `close` commits what waits.
    """

    shared = False
    """One process serves it."""

    def __init__(
        self, path: Path, reader: sqlite3.Connection, writer: Writer, clock: Clock
    ) -> None:
        self._path = path
        self._opened = path.stat()
        self._reader = reader
        self._writer = writer
        self._clock = clock

    @classmethod
    def open(
        cls, directory: Path, *, sign: Sign | None = None, clock: Clock, beside: bool = False
    ) -> Self:
        """Open the store in `directory`; `sign` makes the audit rows' signatures.

        `beside`: a server may serve it meanwhile, and comes first.
        Raise StartRefused when there is none, when its schema is not this program's, when a
        setting does not hold, or when it lies on a network file system.
        """
        if not (directory / DATABASE).exists():
            raise StartRefused(
                f"{directory} holds no store: name it with --database or --data,"
                " or run `regcred init`"
            )
        path = make_private(directory)
        reader = connect(path)
        try:
            require_head(reader)
            reader.execute("PRAGMA query_only=ON").close()
            writer = connect(path, pragmas=PRAGMAS + BESIDE if beside else PRAGMAS)
        except StartRefused:
            reader.close()
            raise
        return cls(path, reader, Writer(writer, sign=sign), clock)

    def sign_with(self, sign: Sign) -> None:
        """Sign every audit row from now on: its key may itself lie in this store."""
        self._writer.sign = sign

    async def look_apart(self, look: Callable[[SetBack], Awaitable[_T]]) -> _T:
        """Return what `look` finds on a read-only connection of its own, in a thread.

        It walks whole tables, so requests go on meanwhile. Raise StartRefused when the file
        cannot be opened, StoreUnavailable when it is gone.
        """
        return await asyncio.to_thread(self._look, look)

    def _look(self, look: Callable[[SetBack], Awaitable[_T]]) -> _T:
        if not self._path.exists():  # SQLite would make an empty one
            raise StoreUnavailable("the store's file is gone")
        with closing(connect(self._path)) as reader:
            reader.execute("PRAGMA query_only=ON").close()
            return finished(look(_Looks(reader, self._writer, self._clock)))

    def replaced(self) -> bool:
        """Whether another file lies where this store's was opened: what is written now is lost."""
        try:
            return not os.path.samestat(self._path.stat(), self._opened)
        except OSError:
            return True

    @property
    def commits(self) -> int:
        """How many transactions were committed since the store was opened."""
        return self._writer.commits

    def figures(self) -> StoreFigures:
        """Return what the store says of its own work."""
        writer, wal = self._writer, self._path.with_name(f"{self._path.name}-wal")
        try:
            size = wal.stat().st_size
        except OSError:
            size = 0
        return StoreFigures(writer.commit_seconds, writer.commit_writes, writer.waiting, size)

    def close(self) -> None:
        """Commit what waits, wipe dead secrets, close. Closing twice is nothing."""
        self._writer.close()
        self._reader.close()

    async def record_reveal(self, reveal: Reveal) -> None:
        """Commit the audit row of an answer before it leaves; see the port."""
        await self._writer.submit([reveal])

    async def record_reveals(self, reveals: Sequence[Reveal]) -> Sequence[Exception | None]:
        """Commit the audit rows of a wave's answers; see the port."""
        await self._writer.submit(reveals)
        return [None] * len(reveals)

    async def record_use(self, reveal: Reveal) -> None:
        """Move last uses and fetches without an audit row; see the port."""
        await self._writer.move(reveal)

    async def find_idempotent(self, principal: str, key: str) -> AlreadyDone | None:
        """Return what an Idempotency-Key did within its 24 hours, if anything."""
        return await self._done_before(self._one, principal, key)

    async def check(self) -> None:
        """Pass if the store can be read and written. Raise StoreUnavailable.

        A commit of the last second is proof enough, so that asking costs no disk writes.
        """
        if self.replaced():
            raise StoreUnavailable("the store's file was replaced while it is served")
        await self._all(_READ)
        last = self._writer.last_commit
        if last is None or time.monotonic() - last > _PROVEN_FOR:
            await self._write(lambda transaction: transaction.change(_WRITTEN))

    async def at_head(self) -> bool:
        """Whether this program may go on with the schema; see `serves`."""
        return serves(revision_of(self._reader))


class _Looks(SetBack, _Reads):
    """The looks on a connection of their own."""

    def __init__(self, reader: sqlite3.Connection, writer: Writer, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
