"""How the nouns of the store reach their database, whichever it is."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from regcred.adapters.storage.sql.rows import Row, micros
from regcred.adapters.storage.sql.transaction import Clash, Parameters, Sign, Transaction, Work
from regcred.domain.errors import NameTaken, NotFound, VersionMismatch
from regcred.domain.ports import AlreadyDone, Clock, IdempotentRequest

_T = TypeVar("_T")

Of = UUID | None
"""The project that a read or a write is about: a database that can shows no other's rows.

NO_PROJECT: it concerns the whole store, and such writes run one after the other. None: it goes
through every project and, if it writes, writes no audit row. The few that see more than one project
stand in `tests/house/test_walls.py`.
"""

LONG = 100
"""Rows after which a list lets waiting requests go first."""

IDEMPOTENT_FOR = timedelta(hours=24)

_DONE = """
    SELECT digest, resource_id FROM idempotent_requests WHERE principal = ? AND key = ? AND at > ?
"""
_REMEMBER = """
    INSERT INTO idempotent_requests (principal, key, digest, resource_id, at)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (principal, key) DO UPDATE SET
        digest = excluded.digest, resource_id = excluded.resource_id, at = excluded.at
    WHERE idempotent_requests.at <= ?
"""
# A few at a time, by writes that come anyway: no timer, and no long transaction.
_SWEEP = """
    DELETE FROM idempotent_requests WHERE (principal, key) IN (
        SELECT principal, key FROM idempotent_requests WHERE at <= ? ORDER BY at LIMIT 16
    )
"""


class Access(ABC):
    """What every noun is built on: fresh reads, and writes that are transactions."""

    _clock: Clock

    @abstractmethod
    async def _all(
        self, statement: str, parameters: Parameters = (), *, of: Of = None
    ) -> list[Row]:
        """Return every row. Raise StoreUnavailable.

        The statement ends with the call. What the database cannot hold, it does not hold: such
        parameters find nothing.
        """

    async def _one(
        self, statement: str, parameters: Parameters = (), *, of: Of = None
    ) -> Row | None:
        """Return the first row, if any. Raise StoreUnavailable."""
        rows = await self._all(statement, parameters, of=of)
        return rows[0] if rows else None

    @abstractmethod
    async def _write(self, work: Work[_T], *, of: Of = None) -> _T:
        """Run a write, and return once it is durable. Raise what it raises, StoreUnavailable.

        It may run more than once, each time in a transaction that has nothing of the last. Writes
        of one project run one after the other.
        """

    @abstractmethod
    async def _write_rows(self, work: Work[_T]) -> _T:
        """Run a write whose every statement is right whatever others do between them.

        It looks at nothing before it changes it, so it waits for nobody but for its own rows.
        Raise as `_write` does.
        """

    @property
    @abstractmethod
    def _sign(self) -> Sign | None:
        """What signs audit rows."""

    async def _done_before(
        self,
        one: Callable[[str, tuple[object, ...]], Awaitable[Row | None]],
        principal: str,
        key: str,
    ) -> AlreadyDone | None:
        oldest = micros(self._clock() - IDEMPOTENT_FOR)
        row = await one(_DONE, (principal, key, oldest))
        return None if row is None else AlreadyDone(row[0], row[1])

    async def _refuse_repeated(
        self, transaction: Transaction, request: IdempotentRequest | None
    ) -> None:
        """Raise AlreadyDone if the request's key did something within its life."""
        if request is None:
            return
        done = await self._done_before(transaction.one, request.principal, request.key)
        if done is not None:
            raise done

    async def _remember(
        self, transaction: Transaction, request: IdempotentRequest | None, resource_id: str
    ) -> None:
        """Keep what the request did, and sweep a few that outlived their day.

        Raise AlreadyDone when another transaction has done it meanwhile.
        """
        if request is None:
            return
        now = self._clock()
        row = (request.principal, request.key, request.digest, resource_id, micros(now))
        if not await self._keep(transaction, row, micros(now - IDEMPOTENT_FOR)):
            await self._refuse_repeated(transaction, request)
            # It is there and not to be seen: the key did something in another project.
            raise AlreadyDone(b"", "")

    async def _keep(self, transaction: Transaction, row: Row, oldest: int) -> bool:
        """Write the row unless its key has a younger one, and sweep; return whether it is written.

        `row`: principal, key, digest, resource id, at. Of whatever project the others are.
        """
        await transaction.change(_SWEEP, (oldest,))
        return bool(await transaction.change(_REMEMBER, (*row, oldest)))


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


def name_taken(clash: Clash, kind: str) -> Exception:
    """Return NameTaken if the unique name refused the write, else the clash itself."""
    return NameTaken(kind) if clash.column == "name" else clash
