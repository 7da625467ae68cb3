"""How the parts of the store reach the database: reads inline, writes through the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from regcred.adapters.storage.sqlite.failures import unavailable
from regcred.adapters.storage.sqlite.rows import Row, micros
from regcred.adapters.storage.sqlite.transaction import Transaction
from regcred.adapters.storage.sqlite.writer import Work, Writer
from regcred.domain.audit import Reveal
from regcred.domain.errors import NameTaken, NotFound, VersionMismatch
from regcred.domain.ports import AlreadyDone, Clock, IdempotentRequest

_T = TypeVar("_T")

Parameters = tuple[object, ...] | dict[str, object]

LONG = 100
"""Rows after which a list lets waiting requests go first."""

IDEMPOTENT_FOR = timedelta(hours=24)

_DONE = """
    SELECT digest, resource_id FROM idempotent_requests WHERE principal = ? AND key = ? AND at > ?
"""
_REMEMBER = """
    INSERT OR REPLACE INTO idempotent_requests (principal, key, digest, resource_id, at)
    VALUES (?, ?, ?, ?, ?)
"""
# A few at a time, by writes that come anyway: no timer, and no long transaction.
_SWEEP = """
    DELETE FROM idempotent_requests WHERE (principal, key) IN (
        SELECT principal, key FROM idempotent_requests WHERE at <= ? ORDER BY at LIMIT 16
    )
"""


class Access:
    """What every part of the store is built on. `_reader` is autocommit: each read is fresh."""

    _reader: sqlite3.Connection
    _writer: Writer
    _clock: Clock

    def _all(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Return every row. Raise StoreUnavailable.

        The statement ends with the call, so that no read holds up a checkpoint.
        """
        try:
            return self._reader.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        except (UnicodeEncodeError, OverflowError):
            return []  # what SQLite cannot hold, it does not hold

    def _one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row, if any. Raise StoreUnavailable."""
        rows = self._all(statement, parameters)
        return rows[0] if rows else None

    async def _write(self, work: Work[_T] | Reveal) -> _T:
        """Run a write, and return once it is durable. Raise what it raises, StoreUnavailable."""
        return await self._writer.submit(work)

    def _done_before(
        self, one: Callable[[str, tuple[object, ...]], Row | None], principal: str, key: str
    ) -> AlreadyDone | None:
        oldest = micros(self._clock() - IDEMPOTENT_FOR)
        row = one(_DONE, (principal, key, oldest))
        return None if row is None else AlreadyDone(row[0], row[1])

    def _refuse_repeated(self, transaction: Transaction, request: IdempotentRequest | None) -> None:
        """Raise AlreadyDone if the request's key did something within its life."""
        if request is None:
            return
        done = self._done_before(transaction.one, request.principal, request.key)
        if done is not None:
            raise done

    def _remember(
        self, transaction: Transaction, request: IdempotentRequest | None, resource_id: str
    ) -> None:
        """Keep what the request did, and sweep a few that outlived their day."""
        if request is None:
            return
        now = self._clock()
        transaction.change(_SWEEP, (micros(now - IDEMPOTENT_FOR),))
        transaction.change(
            _REMEMBER,
            (request.principal, request.key, request.digest, resource_id, micros(now)),
        )


async def unhurried(rows: Sequence[Row], parse: Callable[[Row], _T]) -> list[_T]:
    """Return what rows say. Reads run on the loop's thread, so long lists make pauses."""
    found: list[_T] = []
    for start in range(0, len(rows), LONG):
        found += map(parse, rows[start : start + LONG])
        if len(rows) >= LONG:
            await asyncio.sleep(0)
    return found


def at_version(found: Row | None, expected: int | None, missing: NotFound) -> Row:
    """Return a row that is there; with `expected`, one whose first column is that version.

    Raise `missing`, VersionMismatch.
    """
    if found is None:
        raise missing
    if expected is not None and expected != found[0]:
        raise VersionMismatch
    return found


def name_taken(error: sqlite3.IntegrityError, kind: str) -> Exception:
    """Return NameTaken if the unique name refused the write, else the error itself.

    SQLite tells which columns clashed only in its message, as `table.column, table.column`.
    """
    unique = error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return NameTaken(kind) if unique and str(error).endswith(".name") else error
