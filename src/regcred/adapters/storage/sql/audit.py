"""The audit log: read by project, and walked whole by whoever chains and checks it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from regcred.adapters.storage.sql import audit_rows
from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import MAX_INTEGER, Row, as_written, details, instant, micros
from regcred.domain.audit import Action, AuditEvent, AuditRow
from regcred.domain.ports import AuditFilter

_REVEALED = str(Action.CREDENTIAL_REVEALED)
_COLUMNS = ", ".join(f"e.{column}" for column in audit_rows.COLUMNS.split(", "))
# The partial index on actions leaves reveals out, and is used only where the statement says so.
_ACTION = "e.action = :action"
_BY_ACTION = f"{_ACTION} AND e.action <> '{_REVEALED}'"
# What a row is about: its own target, or one of the further logins of a reveal.
_TARGET = f"""(e.target = :target OR (e.action = '{_REVEALED}' AND EXISTS (
    SELECT 1 FROM json_each(e.details, '$.logins') login
    WHERE substr(login.value, 1, instr(login.value, ':') - 1) = :target
)))"""  # noqa: S608  constants alone
_FLOOR = """
    SELECT number FROM audit_events WHERE project_id = :project AND number < :before
    ORDER BY number DESC LIMIT 1 OFFSET :walk
"""
_WALK = 2000
"""Rows looked at before other requests get their turn."""

MACS_AFTER = "SELECT number, mac FROM audit_events WHERE number > ? ORDER BY number LIMIT ?"
_LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM audit_events"


class AuditLog(Access):
    """The port's methods on audit rows, and beside it what the audit chain is built on."""

    async def record(self, event: AuditEvent) -> None:
        """Commit an audit row for something that changed no data."""
        await self._write(lambda transaction: transaction.audit(event), of=event.project_id)

    async def list_audit(
        self, project_id: UUID, narrowed: AuditFilter, before: int, limit: int
    ) -> Sequence[AuditRow]:
        """Return rows newest first, numbers below `before` (0: from the newest).

        `since` is the first moment taken in, `until` the first left out. A target is also found
        among the further logins of a reveal.
        """
        statement = _page(narrowed)
        parameters: dict[str, object] = {
            "project": str(project_id),
            "action": narrowed.action,
            "principal": narrowed.principal,
            "target": narrowed.target,
            "since": narrowed.since and micros(narrowed.since),
            "until": narrowed.until and micros(narrowed.until),
            "before": before or MAX_INTEGER,
            "walk": _WALK,
        }
        rows: list[Row] = []
        floor: int | None = MAX_INTEGER
        while floor is not None and len(rows) < limit:
            floor = None if _sought(narrowed) else await self._floor(project_id, parameters)
            bounds = {"floor": floor or 0, "limit": limit - len(rows)}
            rows += await self._all(statement, {**parameters, **bounds}, of=project_id)
            parameters["before"] = floor
            await asyncio.sleep(0)
        return [_audit_row(row) for row in rows]

    async def _floor(self, project_id: UUID, parameters: dict[str, object]) -> int | None:
        """Return where this stretch of a walk ends; None: at the project's first row."""
        row = await self._one(_FLOOR, parameters, of=project_id)
        return None if row is None else int(row[0])

    async def macs_after(self, number: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return (number, mac) of every project's rows above `number`, in number order."""
        return await self._all(MACS_AFTER, (number, limit))

    async def last_number(self) -> int:
        """Return the newest row's number; 0 before the first."""
        row = await self._one(_LAST_NUMBER)
        return row[0] if row else 0


def _sought(narrowed: AuditFilter) -> bool:
    """Whether an index leads to the rows; else the project's rows are walked, newest first.

    Reveals are most rows and come fast: indexes for what is seldom asked would cost every pull.
    """
    if narrowed.action is not None and narrowed.action != _REVEALED:
        return True
    return narrowed == AuditFilter()


def _page(narrowed: AuditFilter) -> str:
    conditions = (
        (narrowed.action, _BY_ACTION if narrowed.action != _REVEALED else _ACTION),
        (narrowed.principal, "e.principal = :principal"),
        (narrowed.target, _TARGET),
        (narrowed.since, "e.at >= :since"),
        (narrowed.until, "e.at < :until"),
    )
    where = "".join(f" AND {condition}" for wanted, condition in conditions if wanted is not None)
    return (
        f"SELECT {_COLUMNS} FROM audit_events e WHERE e.project_id = :project "  # noqa: S608  constants alone
        f"AND e.number < :before AND e.number >= :floor{where} ORDER BY e.number DESC LIMIT :limit"
    )


@as_written("an audit row")
def _audit_row(row: Row) -> AuditRow:
    (
        number, at, project_id, action, principal, target, secret_version, request_id,
        last_request_id, count, peer, text,
    ) = row  # fmt: skip
    event = AuditEvent(
        Action(action),
        UUID(project_id),
        principal,
        instant(at),
        target,
        secret_version,
        request_id,
        peer,
        details(text),
    )
    return AuditRow(number, event, count, last_request_id)
