"""The outbox of webhooks: filled by whatever stores an event, emptied by whoever claims.

The one thing you would get wrong: what is claimed. It is the webhook, with the first of what
waits for it; so one receiver that is slow or gone has one delivery under way, its others wait
behind that, and finding the next claim is a step into an index, however much waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from regcred.adapters.storage.sqlite.access import Access
from regcred.adapters.storage.sqlite.rows import (
    EVENT,
    EVENT_WIDTH,
    PROJECT,
    Row,
    event,
    micros,
    project,
)
from regcred.adapters.storage.sqlite.transaction import Transaction
from regcred.adapters.storage.sqlite.webhooks import (
    WEBHOOK,
    WEBHOOK_WIDTH,
    Place,
    drop_waiting,
    webhook_of,
)
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import SealBroken
from regcred.domain.event import Event
from regcred.domain.ports import Claimed, SealedSecret, WrappedSeed
from regcred.domain.webhook import MAX_WAITING, DeliveryStatus, Settled

_WANTING = """
    SELECT id FROM webhooks WHERE project_id = ? AND disabled = 0
    AND (kinds = '' OR instr(',' || kinds || ',', ',' || ? || ','))
"""
_PUT = """
    INSERT INTO webhook_deliveries (event_number, project_id, webhook_id, due_at)
    VALUES (?, ?, ?, ?)
"""
_DROP_OLDEST = """
    DELETE FROM webhook_deliveries WHERE project_id = ?1 AND webhook_id = ?2 AND event_number <= (
        SELECT event_number FROM webhook_deliveries WHERE project_id = ?1 AND webhook_id = ?2
        ORDER BY event_number DESC LIMIT 1 OFFSET ?3
    )
"""
_NOTE = "UPDATE webhooks SET last_status = ?, last_at = ? WHERE project_id = ? AND id = ?"
_MOVE = """
    UPDATE webhooks SET due_at = (
        SELECT min(due_at) FROM webhook_deliveries d
        WHERE d.project_id = webhooks.project_id AND d.webhook_id = webhooks.id
    ) WHERE project_id = ? AND id = ?
"""
_HOLD = "UPDATE webhooks SET held_until = ? WHERE project_id = ? AND id = ?"
_REST = """
    UPDATE webhooks SET held_until = ?, failures = iif(?, 0, failures + 1)
    WHERE project_id = ? AND id = ?
"""
_HELD = "SELECT held_until FROM webhooks WHERE project_id = ? AND id = ?"
_DUE = """
    SELECT project_id, id FROM webhooks WHERE due_at <= ?1 AND held_until <= ?1
    ORDER BY due_at LIMIT ?2
"""
_SEALED = "w.secret_version, g.kid, g.generation, g.wrapped, w.sealed"
_SEALED_WIDTH = 5
_PROJECT = ", ".join(f"p.{column}" for column in PROJECT.split(", "))
_FIRST = f"""
    SELECT {WEBHOOK}, {_SEALED}, {EVENT}, d.attempts, w.failures, {_PROJECT}
    FROM webhook_deliveries d
    JOIN events e ON e.number = d.event_number
    JOIN webhooks w ON w.project_id = d.project_id AND w.id = d.webhook_id
    JOIN project_seeds g ON g.project_id = w.project_id AND g.generation = w.seed_generation
    JOIN projects p ON p.id = d.project_id
    WHERE d.project_id = ? AND d.webhook_id = ? AND d.due_at <= ?
    ORDER BY d.due_at, d.event_number LIMIT 1
"""  # noqa: S608  constants alone
_DONE = """
    DELETE FROM webhook_deliveries WHERE event_number = ? AND project_id = ? AND webhook_id = ?
"""
_PUT_OFF = """
    UPDATE webhook_deliveries SET attempts = attempts + 1, due_at = ?
    WHERE event_number = ? AND project_id = ? AND webhook_id = ?
"""
_DISABLE = """
    UPDATE webhooks SET disabled = 1, updated_at = ?, version = version + 1
    WHERE project_id = ? AND id = ?
"""


def fan_out(transaction: Transaction, told: Event, number: int) -> None:
    """Put a new event into the outbox of every webhook that wants it."""
    project_id, at = str(told.project_id), micros(told.at)
    for (webhook_id,) in transaction.all(_WANTING, (project_id, str(told.kind))):
        place = (project_id, webhook_id)
        transaction.change(_PUT, (number, *place, at))
        if transaction.change(_DROP_OLDEST, (*place, MAX_WAITING)):
            transaction.change(_NOTE, (str(DeliveryStatus.OVERFLOWED), at, *place))
        transaction.change(_MOVE, place)


class Deliveries(Access):
    """The port's methods on the outbox."""

    async def claim_deliveries(
        self, now: datetime, lease: timedelta, limit: int
    ) -> Sequence[Claimed]:
        """Take the first due delivery of up to `limit` webhooks, longest due first."""
        due = (micros(now), limit)
        # Mostly nothing is due, and then there is nothing to write either.
        if not self._all(_DUE, due):
            return ()
        until = now + lease

        def work(transaction: Transaction) -> Sequence[Claimed]:
            claims = []
            for place in transaction.all(_DUE, due):
                row = transaction.one(_FIRST, (*place, due[0]))
                if row is None:  # its events were dropped with their age
                    transaction.change(_MOVE, place)
                    continue
                try:
                    claims.append(_claimed(row, until))
                except (SealBroken, ValueError, OverflowError):
                    _drop_unreadable(transaction, row, place, due[0])
                    continue
                transaction.change(_HOLD, (micros(until), *place))
            return claims

        return await self._write(work)

    async def settle_delivery(
        self, claimed: Claimed, settled: Settled, disabled: AuditEvent | None = None
    ) -> None:
        """Take the delivery out of the outbox or put it off, and note the status."""
        place = _place(claimed)
        delivery = (claimed.event.number, *place)

        def work(transaction: Transaction) -> None:
            if not _is_held(transaction, claimed):
                if settled.status is DeliveryStatus.DELIVERED:
                    transaction.change(_DONE, delivery)
                    transaction.change(_MOVE, place)
                return
            if settled.retry_at is None:
                transaction.change(_DONE, delivery)
            else:
                transaction.change(_PUT_OFF, (micros(settled.retry_at), *delivery))
            if settled.disables:
                drop_waiting(transaction, place)
                transaction.change(_DISABLE, (micros(settled.at), *place))
            transaction.change(_NOTE, (str(settled.status), micros(settled.at), *place))
            done = settled.status is DeliveryStatus.DELIVERED
            transaction.change(_REST, (micros(settled.rest_until), done, *place))
            transaction.change(_MOVE, place)
            if disabled is not None:
                transaction.audit(disabled)

        await self._write(work)

    async def release_delivery(self, claimed: Claimed, rest_until: datetime) -> None:
        """Give a claim back without an attempt; the webhook rests until then."""

        def work(transaction: Transaction) -> None:
            if _is_held(transaction, claimed):
                transaction.change(_HOLD, (micros(rest_until), *_place(claimed)))

        await self._write(work)


def _drop_unreadable(transaction: Transaction, row: Row, place: Place, now: int) -> None:
    """Take out what an edit or a newer program left, or it would be in everyone's way."""
    transaction.change(_DONE, (row[WEBHOOK_WIDTH + _SEALED_WIDTH], *place))
    transaction.change(_NOTE, (str(DeliveryStatus.GAVE_UP), now, *place))
    transaction.change(_MOVE, place)


def _is_held(transaction: Transaction, claimed: Claimed) -> bool:
    """Whether the claim still stands: nobody else took over after its lease."""
    return transaction.one(_HELD, _place(claimed)) == (micros(claimed.held_until),)


def _place(claimed: Claimed) -> Place:
    return str(claimed.webhook.project_id), str(claimed.webhook.id)


def _claimed(row: Row, until: datetime) -> Claimed:
    ends = (WEBHOOK_WIDTH, WEBHOOK_WIDTH + _SEALED_WIDTH)
    webhook, sealed, rest = row[: ends[0]], row[ends[0] : ends[1]], row[ends[1] :]
    secret_version, kid, generation, wrapped, secret = sealed
    return Claimed(
        webhook_of(webhook),
        SealedSecret(secret_version, WrappedSeed(kid, generation, wrapped), secret),
        event(rest[:EVENT_WIDTH]),
        project(rest[EVENT_WIDTH + 2 :]),
        rest[EVENT_WIDTH],
        rest[EVENT_WIDTH + 1],
        until,
    )
