"""SQLite's transaction: statements run where they are awaited, on the writer's thread.

Audit numbers are counted from the last one: the write lock is held from BEGIN IMMEDIATE on, so
that is sound, also beside another process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Clash, Sign, Transaction

_LAST_NUMBER = "SELECT seq FROM sqlite_sequence WHERE name = 'audit_events'"
_UNIQUE = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)


class SqliteTransaction(Transaction):
    """An open BEGIN IMMEDIATE. Lives on the writer's thread and no longer than its COMMIT."""

    __slots__ = ("_connection", "_number")

    def __init__(self, connection: sqlite3.Connection, sign: Sign | None) -> None:
        """Begin. Raise sqlite3.Error when the write lock cannot be had."""
        connection.execute("BEGIN IMMEDIATE")
        super().__init__(sign)
        self._connection = connection
        self._number: int | None = None

    @property
    def alive(self) -> bool:
        """Whether SQLite has not rolled everything back by itself, as it does on a full disk."""
        return self._connection.in_transaction

    async def one(self, statement: str, parameters: Iterable[object] = ()) -> Row | None:
        """Return the first row, if any."""
        row: Row | None = self._connection.execute(statement, tuple(parameters)).fetchone()
        return row

    async def all(self, statement: str, parameters: Iterable[object] = ()) -> list[Row]:
        """Return every row."""
        return self._connection.execute(statement, tuple(parameters)).fetchall()

    async def change(self, statement: str, parameters: Iterable[object] = ()) -> int:
        """Run a statement and return how many rows it changed. Raise Clash."""
        try:
            return self._connection.execute(statement, tuple(parameters)).rowcount
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode not in _UNIQUE:
                raise
            # Only the message tells which columns clashed: `table.column, table.column`.
            raise Clash(str(error).rpartition(".")[2]) from error

    def savepoint(self) -> int | None:
        """Mark where `roll_back_to` returns to."""
        self._connection.execute("SAVEPOINT write")
        return self._number

    def release(self) -> None:
        """Keep what was written since the savepoint."""
        self._connection.execute("RELEASE write")

    def roll_back_to(self, number: int | None) -> None:
        """Undo what was written since the `savepoint` that returned `number`."""
        self._connection.execute("ROLLBACK TO write")
        self._connection.execute("RELEASE write")
        self._number = number

    def commit(self) -> None:
        """Make everything durable. Raise sqlite3.Error when that failed."""
        self._connection.execute("COMMIT")

    async def _numbers(self, count: int) -> int:
        if self._number is None:
            row = self._connection.execute(_LAST_NUMBER).fetchone()
            self._number = 1 if row is None else row[0] + 1
        first = self._number
        self._number += count
        return first
