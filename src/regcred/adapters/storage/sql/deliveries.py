"""The outbox of webhooks: filled by whatever stores an event, emptied by whoever claims.

The one thing you would get wrong: what is claimed. It is the webhook, with the first of what
waits for it; so one receiver that is slow or gone has one delivery under way, its others wait
behind that, and finding the next claim is a step into an index, however much waits or rests.
That index is a queue by when a webhook could have had its next attempt. Each attempt moves it
behind everyone who waits, which by the age of its events would never be.

Each change of the outbox counts it in its webhook's own row, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import (
    EVENT,
    EVENT_WIDTH,
    PROJECT,
    Row,
    event,
    micros,
    project,
)
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.adapters.storage.sql.webhooks import (
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
from regcred.domain.webhook import MAX_UNDER_WAY, MAX_WAITING, DeliveryStatus, Settled

_COUNT_UP = """
    UPDATE webhooks SET waiting = waiting + 1, due_at = min(coalesce(due_at, ?1), ?1)
    WHERE project_id = ?2 AND disabled = 0
        AND (kinds = '' OR instr(',' || kinds || ',', ',' || ?3 || ',') > 0)
    RETURNING id, waiting
"""
_PUT = """
    INSERT INTO webhook_deliveries (event_number, project_id, webhook_id, due_at)
    VALUES (?, ?, ?, ?)
"""
_DROP_OLDEST = """
    DELETE FROM webhook_deliveries WHERE project_id = ?1 AND webhook_id = ?2 AND event_number IN (
        SELECT event_number FROM webhook_deliveries WHERE project_id = ?1 AND webhook_id = ?2
        ORDER BY event_number LIMIT ?3
    )
"""
_LET_GO = """
    DELETE FROM webhook_deliveries WHERE event_number = ? RETURNING project_id, webhook_id
"""
_NOTE = "UPDATE webhooks SET last_status = ?, last_at = ? WHERE project_id = ? AND id = ?"
_LESS = """
    waiting = max(waiting - ?, 0), due_at = (
        SELECT min(due_at) FROM webhook_deliveries d
        WHERE d.project_id = webhooks.project_id AND d.webhook_id = webhooks.id
    )
"""
_MOVE = f"UPDATE webhooks SET {_LESS} WHERE project_id = ? AND id = ?"  # noqa: S608  constants alone
_OVERFLOW = f"""
    UPDATE webhooks SET {_LESS}, last_status = ?, last_at = ? WHERE project_id = ? AND id = ?
"""  # noqa: S608  constants alone
_COUNT_ANEW = """
    UPDATE webhooks SET waiting = (
        SELECT count(*) FROM webhook_deliveries d
        WHERE d.project_id = webhooks.project_id AND d.webhook_id = webhooks.id
    ) WHERE project_id = ? AND id = ?
"""
_HOLD = "UPDATE webhooks SET claimed = 1, held_until = ? WHERE project_id = ? AND id = ?"
_FREE = "UPDATE webhooks SET claimed = 0, held_until = ? WHERE project_id = ? AND id = ?"
_REST = """
    UPDATE webhooks SET claimed = 0, held_until = ?, failures = iif(?, 0, failures + 1)
    WHERE project_id = ? AND id = ?
"""
_HELD = """
    SELECT version FROM webhooks WHERE project_id = ? AND id = ? AND claimed = 1 AND held_until = ?
"""
# The repeated terms are the index's own. What it walks past is due and its project's places are
# taken, so it is bounded by how much is under way.
_DUE = """
    SELECT w.project_id, w.id FROM webhooks w
    WHERE w.due_at IS NOT NULL AND max(w.due_at, w.held_until) <= ?1 AND (
        SELECT count(*) FROM webhooks u
        WHERE u.project_id = w.project_id AND u.claimed = 1 AND u.held_until > ?1
    ) < ?2
    ORDER BY max(w.due_at, w.held_until) LIMIT 1
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


async def fan_out(transaction: Transaction, told: Event, number: int) -> None:
    """Put a new event into the outbox of every webhook that wants it."""
    project_id, at = str(told.project_id), micros(told.at)
    for webhook_id, waiting in await transaction.all(_COUNT_UP, (at, project_id, str(told.kind))):
        place = (project_id, webhook_id)
        await transaction.change(_PUT, (number, *place, at))
        if waiting > MAX_WAITING:
            gone = await transaction.change(_DROP_OLDEST, (*place, waiting - MAX_WAITING))
            await transaction.change(_OVERFLOW, (gone, str(DeliveryStatus.OVERFLOWED), at, *place))


async def let_go(transaction: Transaction, number: int) -> None:
    """Take an event that is no longer kept out of every outbox."""
    for place in await transaction.all(_LET_GO, (number,)):
        await transaction.change(_MOVE, (1, *place))


class Deliveries(Access):
    """The port's methods on the outbox."""

    async def claim_deliveries(
        self, now: datetime, lease: timedelta, limit: int
    ) -> Sequence[Claimed]:
        """Take the first due delivery of up to `limit` webhooks; see the port."""
        due = (micros(now), MAX_UNDER_WAY)
        # Mostly nothing is due, and then there is nothing to write either.
        if await self._one(_DUE, due) is None:
            return ()
        until = now + lease

        async def work(transaction: Transaction) -> Sequence[Claimed]:
            claims: list[Claimed] = []
            for _ in range(limit):
                # One by one: each claim takes a place of its project's.
                place = await transaction.one(_DUE, due)
                if place is None:
                    break
                row = await transaction.one(_FIRST, (*place, due[0]))
                if row is None:  # an edit took what it waited for
                    await transaction.change(_MOVE, (0, *place))
                    await transaction.change(_COUNT_ANEW, place)
                    continue
                try:
                    claims.append(_claimed(row, until))
                except (SealBroken, ValueError, OverflowError):
                    await _drop_unreadable(transaction, row, place, due[0])
                    continue
                await transaction.change(_HOLD, (micros(until), *place))
            return claims

        return await self._write(work)

    async def settle_delivery(
        self, claimed: Claimed, settled: Settled, disabled: AuditEvent | None = None
    ) -> None:
        """Take the delivery out of the outbox or put it off, and note the status."""
        place = _place(claimed)

        async def work(transaction: Transaction) -> None:
            done = settled.status is DeliveryStatus.DELIVERED
            held = await transaction.one(_HELD, (*place, micros(claimed.held_until)))
            if held != (claimed.webhook.version,):
                if done:
                    await _take_out(transaction, claimed.event.number, place)
                if held is not None:
                    await transaction.change(_FREE, (micros(settled.at), *place))
                return
            if settled.retry_at is None:
                await _take_out(transaction, claimed.event.number, place)
            else:
                delivery = (claimed.event.number, *place)
                await transaction.change(_PUT_OFF, (micros(settled.retry_at), *delivery))
                await transaction.change(_MOVE, (0, *place))
            if settled.disables:
                await drop_waiting(transaction, place)
                await transaction.change(_DISABLE, (micros(settled.at), *place))
            await transaction.change(_NOTE, (str(settled.status), micros(settled.at), *place))
            await transaction.change(_REST, (micros(settled.rest_until), done, *place))
            if disabled is not None:
                await transaction.audit(disabled)

        await self._write(work, of=claimed.webhook.project_id)

    async def release_delivery(self, claimed: Claimed, rest_until: datetime) -> None:
        """Give a claim back without an attempt; the webhook rests until then."""

        async def work(transaction: Transaction) -> None:
            place = _place(claimed)
            if await transaction.one(_HELD, (*place, micros(claimed.held_until))) is not None:
                await transaction.change(_FREE, (micros(rest_until), *place))

        await self._write(work, of=claimed.webhook.project_id)


async def _take_out(transaction: Transaction, number: int, place: Row) -> None:
    """Take one delivery out of the outbox, if it is still there."""
    gone = await transaction.change(_DONE, (number, *place))
    await transaction.change(_MOVE, (gone, *place))


async def _drop_unreadable(transaction: Transaction, row: Row, place: Row, now: int) -> None:
    """Take out what an edit or a newer program left, or it would be in everyone's way."""
    await _take_out(transaction, row[WEBHOOK_WIDTH + _SEALED_WIDTH], place)
    await transaction.change(_NOTE, (str(DeliveryStatus.GAVE_UP), now, *place))
    await transaction.change(_FREE, (now, *place))  # behind the others: there may be more of it


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
