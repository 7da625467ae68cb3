"""What a write sees of the transaction it runs in, the audit log included.

The one thing you would get wrong: an audit row's number. It is bound into the row's signature,
so it must be known before the row is inserted; the write lock is held from BEGIN IMMEDIATE on,
so counting from the last number is sound, also beside another process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from itertools import chain

from regcred.adapters.storage.sqlite import audit_rows
from regcred.adapters.storage.sqlite.rows import Row, json_text, micros
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import StoreUnavailable

Sign = Callable[[bytes], bytes]

_LAST_NUMBER = "SELECT seq FROM sqlite_sequence WHERE name = 'audit_events'"


class Transaction:
    """An open BEGIN IMMEDIATE. Lives on the writer's thread and no longer than its COMMIT."""

    __slots__ = ("_connection", "_number", "_sign", "secrets_died")

    def __init__(self, connection: sqlite3.Connection, sign: Sign | None) -> None:
        """Begin. Raise sqlite3.Error when the write lock cannot be had."""
        connection.execute("BEGIN IMMEDIATE")
        self._connection = connection
        self._sign = sign
        self._number: int | None = None
        self.secrets_died = False
        """Set by a write that deletes sealed secrets: the log must soon be truncated."""

    @property
    def alive(self) -> bool:
        """Whether SQLite has not rolled everything back by itself, as it does on a full disk."""
        return self._connection.in_transaction

    def one(self, statement: str, parameters: Iterable[object] = ()) -> Row | None:
        """Return the first row, if any."""
        row: Row | None = self._connection.execute(statement, tuple(parameters)).fetchone()
        return row

    def all(self, statement: str, parameters: Iterable[object] = ()) -> list[Row]:
        """Return every row."""
        return self._connection.execute(statement, tuple(parameters)).fetchall()

    def change(self, statement: str, parameters: Iterable[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(statement, tuple(parameters)).rowcount

    def audit(self, event: AuditEvent) -> None:
        """Write the event's row; it commits with whatever it tells of."""
        self.audit_rows(
            [
                (
                    micros(event.at),
                    str(event.project_id),
                    str(event.action),
                    event.principal,
                    event.target,
                    event.secret_version,
                    event.request_id,
                    event.request_id,
                    1,
                    event.peer,
                    json_text(event.details),
                )
            ]
        )

    def audit_rows(self, rows: Iterable[Row]) -> None:
        """Write rows of audit_rows.COLUMNS without number and mac.

        Raise StoreUnavailable when not all of them were written: a trigger may drop rows without
        an error, and then what they tell of must not happen either.
        """
        first = self._next_number()
        numbered = [(first + n, *row) for n, row in enumerate(rows)]
        sign = self._sign
        signed = [(*row, sign(audit_rows.signed_bytes(row)) if sign else b"") for row in numbered]
        for start in range(0, len(signed), audit_rows.MAX_ROWS):
            some = signed[start : start + audit_rows.MAX_ROWS]
            if self.change(audit_rows.insert(len(some)), chain.from_iterable(some)) != len(some):
                raise StoreUnavailable("the database dropped an audit row")
        self._number = first + len(numbered)

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

    def _next_number(self) -> int:
        if self._number is None:
            row = self.one(_LAST_NUMBER)
            self._number = 1 if row is None else row[0] + 1
        return self._number
