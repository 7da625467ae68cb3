"""Events: one place that writes them, inside the transaction of whatever they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, unhurried
from regcred.adapters.storage.sql.deliveries import fan_out, let_go
from regcred.adapters.storage.sql.rows import (
    EVENT,
    MAX_INTEGER,
    event,
    json_text,
    micros,
)
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.errors import ProjectNotFound
from regcred.domain.event import Event
from regcred.domain.ports import EventFilter

KEPT = 10_000
"""Events of one project."""

_COUNT_UP = "UPDATE projects SET event_count = event_count + 1 WHERE id = ? RETURNING event_count"
_COUNT_DOWN = "UPDATE projects SET event_count = event_count - ? WHERE id = ?"
_INSERT = """
    INSERT INTO events (project_id, at, kind, credential_id, credential_name, details)
    VALUES (?, ?, ?, ?, ?, ?) RETURNING number
"""
_OLDEST = "SELECT number FROM events WHERE project_id = ? ORDER BY number LIMIT ?"
_FORGET = "DELETE FROM events WHERE number = ?"


async def put_event(transaction: Transaction, event: Event) -> int:
    """Add an event (its own number is ignored), drop the project's oldest; return the number.

    It goes into the outbox of every webhook that wants it. Raise ProjectNotFound.
    """
    project_id = str(event.project_id)
    counted = await transaction.one(_COUNT_UP, (project_id,))
    if counted is None:
        raise ProjectNotFound
    row = await transaction.one(
        _INSERT,
        (
            project_id,
            micros(event.at),
            str(event.kind),
            str(event.credential_id),
            event.credential_name,
            json_text(event.details),
        ),
    )
    if counted[0] > KEPT:
        oldest = await transaction.all(_OLDEST, (project_id, counted[0] - KEPT))
        for (gone,) in oldest:
            await let_go(transaction, gone)
            await transaction.change(_FORGET, (gone,))
        await transaction.change(_COUNT_DOWN, (len(oldest), project_id))
    number: int = row[0] if row else 0  # RETURNING gives a row for every row inserted
    await fan_out(transaction, event, number)
    return number


class Events(Access):
    """The port's methods on events."""

    async def list_events(
        self, project_id: UUID, narrowed: EventFilter, before: int, limit: int
    ) -> Sequence[Event]:
        """Return events newest first, numbers below `before` (0: from the newest)."""
        parameters: dict[str, object] = {
            "project": str(project_id),
            "kind": narrowed.kind and str(narrowed.kind),
            "credential": narrowed.credential_id and str(narrowed.credential_id),
            "before": before or MAX_INTEGER,
            "limit": limit,
        }
        return await unhurried(await self._all(_page(narrowed), parameters, of=project_id), event)


def _page(narrowed: EventFilter) -> str:
    conditions = (
        (narrowed.kind, "kind = :kind"),
        (narrowed.credential_id, "credential_id = :credential"),
    )
    where = "".join(f" AND {condition}" for wanted, condition in conditions if wanted is not None)
    return (
        f"SELECT {EVENT} FROM events e WHERE project_id = :project "  # noqa: S608  constants alone
        f"AND number < :before{where} ORDER BY number DESC LIMIT :limit"
    )
