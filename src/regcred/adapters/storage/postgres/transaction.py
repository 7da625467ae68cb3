"""PostgreSQL's transaction: each statement is a round trip, and audit rows come last.

Audit numbers come from one row that whoever draws holds until its commit, so they have no gaps and
grow in the order of commits, on however many machines. That row is where all writers meet, so
audit rows are kept until the write is done, and are then written right before the COMMIT, or by
the only call of a transaction that does nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import asyncpg
from asyncpg import Connection

from regcred.adapters.storage.postgres.statements import translate
from regcred.adapters.storage.postgres.traces import Next, Trace
from regcred.adapters.storage.postgres.walls import EVERY
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Clash, Sign, Transaction
from regcred.domain.errors import InvalidInput, StoreUnavailable

_CALLS = 2
"""Calls that are transactions of their own, before numbers are drawn and held."""

# A third of a page, less the entry's other columns.
_TOO_LONG = "must be shorter: PostgreSQL keeps up to about 2600 bytes of it in UTF-8"


class PostgresTransaction(Transaction):
    """An open transaction on a connection that nobody else uses meanwhile."""

    __slots__ = ("_begin", "_columns", "_connection", "_next", "trace")

    def __init__(
        self,
        connection: Connection,
        sign: Sign | None,
        columns: Mapping[str, str],
        next_: Next,
        begin: str,
    ) -> None:
        """`columns` says of each unique index which is the last of its columns."""
        super().__init__(sign)
        self._connection = connection
        self._columns = columns
        self._next = next_
        self._begin = begin
        self.trace = Trace()

    async def begin(self) -> None:
        """Begin it, unless that is done; its first statement does."""
        if self._begin:
            begin, self._begin = self._begin, ""
            await self._connection.execute(begin)
        if self.trace.moves:
            await self.trace.leave(self._connection, None, 0, ())

    async def all(self, statement: str, parameters: Iterable[object] = ()) -> list[Row]:
        """Return every row. Raise Clash."""
        await self.begin()
        text, arguments = _translated(statement, parameters)
        try:
            return [tuple(row) for row in await self._connection.fetch(text, *arguments)]
        except asyncpg.UniqueViolationError as error:
            raise self._clash(error) from error

    async def one(self, statement: str, parameters: Iterable[object] = ()) -> Row | None:
        """Return the first row, if any."""
        rows = await self.all(statement, parameters)
        return rows[0] if rows else None

    async def change(self, statement: str, parameters: Iterable[object] = ()) -> int:
        """Run a statement and return how many rows it changed. Raise Clash, InvalidInput."""
        await self.begin()
        text, arguments = _translated(statement, parameters)
        try:
            done: str = await self._connection.execute(text, *arguments)
        except asyncpg.UniqueViolationError as error:
            raise self._clash(error) from error
        except asyncpg.ProgramLimitExceededError as error:
            if error.constraint_name != "credentials_by_username":
                raise
            raise InvalidInput("username", _TOO_LONG) from error
        return int(done.rpartition(" ")[2])

    async def audit_rows(self, rows: Sequence[Row]) -> None:
        """Keep rows of audit_rows.COLUMNS without number and mac for the end."""
        self.trace.audit += rows

    async def end(self, *, at_once: bool) -> None:
        """Commit it. Raise StoreUnavailable when not all of it was done.

        `at_once`: what was not begun is its trace alone, of every project, and needs no BEGIN.
        What it moves is then moved also where its audit rows have to be numbered again: when a
        login was last used is no more than a hint.
        """
        if at_once and self._begin and (self.trace.audit or self.trace.moves):
            for _ in range(_CALLS):
                if await self._leave(EVERY):
                    return
        await self.write_audit()
        # After an error that the work kept to itself COMMIT undoes, and is no error.
        if await self._connection.execute("COMMIT") != "COMMIT":
            raise StoreUnavailable("the database undid a write")

    async def write_audit(self) -> None:
        """Write the audit rows. Nothing but the COMMIT may come after it."""
        await self.begin()
        if self.trace.audit and not await self._leave(None):
            await self._leave(None)  # under the numbers that are now ours

    async def _leave(self, shown: str | None) -> bool:
        """Write the trace, and return whether it is written; if not, the next number is known."""
        count = len(self.trace.audit)
        first = await self._numbers(count)
        signed = self._signed(first, self.trace.audit)
        right = await self.trace.leave(self._connection, shown, first, signed)
        self._next.number = first + count if right is None else right
        return right is None

    async def _numbers(self, count: int) -> int:
        """Return what is taken for the first of them, which the database knows."""
        return self._next.number

    def _clash(self, error: asyncpg.UniqueViolationError) -> Clash:
        return Clash(self._columns.get(error.constraint_name or "", "row"))


def _translated(statement: str, parameters: Iterable[object]) -> tuple[str, Sequence[object]]:
    made = translate(statement)
    return made.text, made.arguments(tuple(parameters))
