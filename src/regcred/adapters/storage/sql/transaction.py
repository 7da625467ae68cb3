"""What a write sees of the transaction it runs in, the audit log included.

The one thing you would get wrong: an audit row's number. It is bound into the row's signature,
so it must be known before the row is inserted, and no other transaction may be given it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from regcred.adapters.storage.sql import audit_rows
from regcred.adapters.storage.sql.rows import Row, json_text, micros
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import StoreUnavailable

_T = TypeVar("_T")

Sign = Callable[[bytes], bytes]
Parameters = tuple[object, ...] | dict[str, object]


class Clash(Exception):
    """A unique constraint refused a row; `column` is the last of its columns."""

    def __init__(self, column: str) -> None:
        super().__init__(f"another row has this {column}")
        self.column = column


class Transaction(ABC):
    """An open transaction that writes. Lives no longer than its commit."""

    __slots__ = ("_sign", "secrets_died")

    def __init__(self, sign: Sign | None) -> None:
        self._sign = sign
        self.secrets_died = False
        """Set by a write that deletes sealed secrets: their traces must soon go too."""

    @abstractmethod
    async def all(self, statement: str, parameters: Iterable[object] = ()) -> list[Row]:
        """Return every row."""

    @abstractmethod
    async def one(self, statement: str, parameters: Iterable[object] = ()) -> Row | None:
        """Return the first row, if any."""

    @abstractmethod
    async def change(self, statement: str, parameters: Iterable[object] = ()) -> int:
        """Run a statement and return how many rows it changed. Raise Clash."""

    @abstractmethod
    async def _numbers(self, count: int) -> int:
        """Return the first of `count` audit numbers that follow each other and are ours."""

    async def audit(self, *events: AuditEvent) -> None:
        """Write the events' rows; they commit with whatever they tell of."""
        await self.audit_rows([_row(event) for event in events])

    async def audit_rows(self, rows: Sequence[Row]) -> None:
        """Write rows of audit_rows.COLUMNS without number and mac.

        Raise StoreUnavailable when not all of them were written: a trigger may drop rows without
        an error, and then what they tell of must not happen either.
        """
        signed = self._signed(await self._numbers(len(rows)), rows)
        for start in range(0, len(signed), audit_rows.MAX_ROWS):
            some = signed[start : start + audit_rows.MAX_ROWS]
            written = await self.change(
                audit_rows.insert(len(some)), tuple(chain.from_iterable(some))
            )
            if written != len(some):
                raise StoreUnavailable("the database dropped an audit row")

    def _signed(self, first: int, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with their numbers, counted from `first`, and their signatures."""
        numbered = [(first + n, *row) for n, row in enumerate(rows)]
        sign = self._sign
        return [(*row, sign(audit_rows.signed_bytes(row)) if sign else b"") for row in numbered]


Work = Callable[[Transaction], Awaitable[_T]]
"""A write: what it does in a transaction. It awaits nothing but the transaction."""


def _row(event: AuditEvent) -> Row:
    return (
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
