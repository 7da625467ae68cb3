"""PostgreSQL's transaction: each statement is a round trip, and audit rows come last.

Audit numbers come from one row that whoever draws holds until its commit, so they have no gaps and
grow in the order of commits, on however many machines. That row is where all writers meet, so
audit rows are kept until the write is done, and then numbered, signed and inserted by two
statements right before the COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import asyncpg
from asyncpg import Connection

from regcred.adapters.storage.postgres.statements import translate
from regcred.adapters.storage.sql import audit_rows
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Clash, Sign, Transaction
from regcred.domain.errors import InvalidInput, StoreUnavailable

_DRAW = "UPDATE audit_numbers SET last = last + $1 WHERE id = 1 RETURNING last"
_TYPES = (
    "bigint", "bigint", "text", "text", "text", "text", "bigint", "text", "text", "bigint", "text",
    "text", "bytea",
)  # fmt: skip
_ARRAYS = ", ".join(f"CAST(${n} AS {type_}[])" for n, type_ in enumerate(_TYPES, 1))
_INSERT = (
    f"INSERT INTO audit_events ({audit_rows.COLUMNS}, mac) "  # noqa: S608  constants alone
    f"SELECT * FROM unnest({_ARRAYS})"
)

# A third of a page, less the entry's other columns.
_TOO_LONG = "must be shorter: PostgreSQL keeps up to about 2600 bytes of it in UTF-8"


class PostgresTransaction(Transaction):
    """An open transaction on a connection that nobody else uses meanwhile."""

    __slots__ = ("_columns", "_connection", "_told")

    def __init__(
        self, connection: Connection, sign: Sign | None, columns: Mapping[str, str]
    ) -> None:
        """`columns` says of each unique index which is the last of its columns."""
        super().__init__(sign)
        self._connection = connection
        self._columns = columns
        self._told: list[Row] = []

    async def all(self, statement: str, parameters: Iterable[object] = ()) -> list[Row]:
        """Return every row. Raise Clash."""
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
        """Keep rows of audit_rows.COLUMNS without number and mac for `write_audit`."""
        self._told += rows

    async def write_audit(self) -> None:
        """Write the audit rows. Nothing but the COMMIT may come after it.

        Raise StoreUnavailable when not all of them were written.
        """
        if not self._told:
            return
        first = await self._numbers(len(self._told))
        signed = self._signed(first, self._told)
        if await self.change(_INSERT, tuple(map(list, zip(*signed, strict=True)))) != len(signed):
            raise StoreUnavailable("the database dropped an audit row")

    async def _numbers(self, count: int) -> int:
        last: int = await self._connection.fetchval(_DRAW, count)
        return last - count + 1

    def _clash(self, error: asyncpg.UniqueViolationError) -> Clash:
        return Clash(self._columns.get(error.constraint_name or "", "row"))


def _translated(statement: str, parameters: Iterable[object]) -> tuple[str, Sequence[object]]:
    made = translate(statement)
    return made.text, made.arguments(tuple(parameters))
