"""States of the audit chain from which a start goes on, and the rows that make room once old.

The one thing you would get wrong: what may go. Rows that decide what was set back are never
pruned, nor the words of an operator; everything else may, once a checkpoint stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.audit_rows import DECIDING
from regcred.adapters.storage.sql.rows import Row, instant, micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import NO_PROJECT, AuditEvent

EVERY = """
    SELECT number, at, head, deciding, pruned, mac FROM audit_checkpoints ORDER BY number DESC
"""
_PUT = """
    INSERT INTO audit_checkpoints (number, at, head, deciding, pruned, mac)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (number) DO UPDATE SET at = excluded.at, head = excluded.head,
        deciding = excluded.deciding, pruned = excluded.pruned, mac = excluded.mac
"""
_FORGET = "DELETE FROM audit_checkpoints WHERE pruned = 0"
_FORGET_BEFORE = "DELETE FROM audit_checkpoints WHERE number < ?"
_LINKS = f"""
    SELECT number, mac, at, CASE WHEN action IN {DECIDING} THEN 1 ELSE 0 END FROM audit_events
    WHERE number > ? ORDER BY number LIMIT ?
"""  # noqa: S608  constants alone
_DECIDING_MACS = f"""
    SELECT number, mac FROM audit_events
    WHERE action IN {DECIDING} AND number > ? ORDER BY number LIMIT ?
"""  # noqa: S608  constants alone
_NEXT_OLD = "SELECT min(number) FROM audit_events WHERE number > ? AND number <= ?"
_UNWANTED = f"""
    FROM audit_events WHERE number >= ? AND number < ? AND number <= ?
    AND action NOT IN {DECIDING} AND action NOT IN ('store.rollback_accepted', 'audit.pruned')
"""
_ANY_UNWANTED = f"SELECT 1 {_UNWANTED} LIMIT 1"
_PRUNE = f"DELETE {_UNWANTED}"
_STRETCH = 1000
"""Numbers looked at in one transaction of pruning: other writes wait a few milliseconds."""


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it lies in the store; whether it is believed is for its `mac` to say."""

    number: int
    at: datetime
    """When row `number` was written."""

    head: bytes
    deciding: bytes
    pruned: bool
    mac: bytes


class AuditLink(NamedTuple):
    """What the chain needs of an audit row."""

    number: int
    mac: bytes
    at: datetime
    deciding: bool


class Checkpoints(Access):
    """Beside the port: what keeps a start short, and the audit from growing for ever."""

    async def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return every checkpoint, newest first."""
        return [checkpoint(row) for row in await self._all(EVERY)]

    async def put_checkpoint(self, one: StoredCheckpoint) -> None:
        """Keep a checkpoint."""
        await self._write(lambda transaction: transaction.change(_PUT, _columns(one)))

    async def forget_checkpoints(self) -> None:
        """Forget every checkpoint that stands for no pruned rows."""
        await self._write(lambda transaction: transaction.change(_FORGET))

    async def links_after(self, number: int, limit: int) -> Sequence[AuditLink]:
        """Return rows of every project with a number above `number`, in number order."""
        return [
            AuditLink(row[0], row[1], instant(row[2]), bool(row[3]))
            for row in await self._all(_LINKS, (number, limit))
        ]

    async def deciding_macs_after(self, number: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return (number, mac) of rows above `number` that tell what was set back, in order."""
        return await self._all(_DECIDING_MACS, (number, limit))

    async def begin_pruning(self, upto: StoredCheckpoint, event: AuditEvent) -> None:
        """Commit that rows up to a checkpoint, which says so itself, are no more wanted."""

        async def work(transaction: Transaction) -> None:
            await transaction.change(_PUT, _columns(upto))
            await transaction.change(_FORGET_BEFORE, (upto.number,))
            await transaction.audit(event)

        await self._write(work, of=NO_PROJECT)

    async def prune(self, after: int, upto: int) -> int:
        """Delete some rows above `after` up to row `upto` that decide nothing.

        Return where the next call goes on; `upto` itself: they are all gone.
        """
        row = await self._one(_NEXT_OLD, (after, upto))
        if row is None or row[0] is None:
            return upto
        first = int(row[0])
        bounds = (first, first + _STRETCH, upto)
        if await self._one(_ANY_UNWANTED, bounds) is not None:
            await self._write(lambda transaction: transaction.change(_PRUNE, bounds))
        return min(first + _STRETCH - 1, upto)


def checkpoint(row: Row) -> StoredCheckpoint:
    """Return the checkpoint that the table's columns are."""
    number, at, head, deciding, pruned, mac = row
    return StoredCheckpoint(number, instant(at), head, deciding, bool(pruned), mac)


def _columns(one: StoredCheckpoint) -> tuple[object, ...]:
    return (one.number, micros(one.at), one.head, one.deciding, int(one.pruned), one.mac)
