"""Webhooks: an address with its sealed secret, and how far what waits for it has come."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, at_version
from regcred.adapters.storage.sql.rows import Row, instant, instant_or_none, micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import ProjectNotFound, SealBroken, TooManyWebhooks, WebhookNotFound
from regcred.domain.event import EventKind
from regcred.domain.ports import IdempotentRequest, SealedSecret, WrappedSeed
from regcred.domain.webhook import MAX_WEBHOOKS, REST_AFTER_CHANGE, DeliveryStatus, Webhook

Place = tuple[str, str]
"""Project and webhook, as text."""

WEBHOOK = (
    "w.id, w.project_id, w.url, w.created_at, w.updated_at, w.kinds, w.disabled, w.version, "
    "w.secret_version, w.last_status, w.last_at"
)
WEBHOOK_WIDTH = 11

_PROJECT_EXISTS = "SELECT 1 FROM projects WHERE id = ?"
_COUNT = "SELECT count(*) FROM webhooks WHERE project_id = ?"
_INSERT = """
    INSERT INTO webhooks (
        url, kinds, disabled, updated_at, project_id, id, created_at, version, secret_version,
        seed_generation, sealed
    ) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
"""
_FIND = f"SELECT {WEBHOOK} FROM webhooks w WHERE w.project_id = ? AND w.id = ?"  # noqa: S608  constants
_PAGE = (
    f"SELECT {WEBHOOK} FROM webhooks w WHERE w.project_id = ? AND w.id > ? "  # noqa: S608  constants
    "ORDER BY w.id LIMIT ?"
)
_VERSION = "SELECT version FROM webhooks WHERE project_id = ? AND id = ?"
_UPDATE = """
    UPDATE webhooks SET
        url = ?, kinds = ?, disabled = ?, updated_at = ?, version = version + 1,
        failures = 0, held_until = min(held_until, ?)
    WHERE project_id = ? AND id = ?
"""
_RESEAL = """
    UPDATE webhooks SET secret_version = ?, seed_generation = ?, sealed = ?
    WHERE project_id = ? AND id = ?
"""
_DROP = "DELETE FROM webhook_deliveries WHERE project_id = ? AND webhook_id = ?"
_NONE_WAITS = "UPDATE webhooks SET waiting = 0, due_at = NULL WHERE project_id = ? AND id = ?"
_DELETE = "DELETE FROM webhooks WHERE project_id = ? AND id = ?"
_SEALED = """
    SELECT w.secret_version, g.kid, g.generation, g.wrapped, w.sealed
    FROM webhooks w
    JOIN project_seeds g ON g.project_id = w.project_id AND g.generation = w.seed_generation
    WHERE w.project_id = ? AND w.id = ?
"""


class Webhooks(Access):
    """The port's methods on webhooks themselves."""

    async def create_webhook(
        self,
        webhook: Webhook,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Webhook:
        """Raise ProjectNotFound, TooManyWebhooks, AlreadyDone."""
        place = _place(webhook)

        async def work(transaction: Transaction) -> Webhook:
            await self._refuse_repeated(transaction, idempotent)
            if await transaction.one(_PROJECT_EXISTS, place[:1]) is None:
                raise ProjectNotFound
            counted = await transaction.one(_COUNT, place[:1])
            if counted is not None and counted[0] >= MAX_WEBHOOKS:
                raise TooManyWebhooks(MAX_WEBHOOKS)
            await transaction.change(
                _INSERT,
                (
                    *_columns(webhook),
                    *place,
                    micros(webhook.created_at),
                    secret.secret_version,
                    secret.seed.generation,
                    secret.sealed,
                ),
            )
            await self._remember(transaction, idempotent, place[1])
            await transaction.audit(event)
            return await _stored(transaction, place)

        return await self._write(work, of=webhook.project_id)

    async def find_webhook(self, project_id: UUID, webhook_id: UUID) -> Webhook:
        """Raise WebhookNotFound, also for another project's."""
        row = await self._one(_FIND, (str(project_id), str(webhook_id)), of=project_id)
        if row is None:
            raise WebhookNotFound
        return webhook_of(row)

    async def list_webhooks(self, project_id: UUID, after: str, limit: int) -> Sequence[Webhook]:
        """Return webhooks with an id above `after` ("" for the start), in id order."""
        return list(
            map(webhook_of, await self._all(_PAGE, (str(project_id), after, limit), of=project_id))
        )

    async def update_webhook(
        self,
        webhook: Webhook,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> Webhook:
        """Raise WebhookNotFound, VersionMismatch; see the port."""
        place = _place(webhook)

        async def work(transaction: Transaction) -> Webhook:
            at_version(await transaction.one(_VERSION, place), expected_version, WebhookNotFound())
            latest = micros(webhook.updated_at + REST_AFTER_CHANGE)
            await transaction.change(_UPDATE, (*_columns(webhook), latest, *place))
            if secret is not None:
                version, seed, sealed = secret
                await transaction.change(_RESEAL, (version, seed.generation, sealed, *place))
                transaction.secrets_died = True
            if webhook.disabled:
                await drop_waiting(transaction, place)
            await transaction.audit(event)
            return await _stored(transaction, place)

        return await self._write(work, of=webhook.project_id)

    async def delete_webhook(
        self, project_id: UUID, webhook_id: UUID, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Raise WebhookNotFound, VersionMismatch."""
        place = (str(project_id), str(webhook_id))

        async def work(transaction: Transaction) -> None:
            at_version(await transaction.one(_VERSION, place), expected_version, WebhookNotFound())
            await transaction.change(_DELETE, place)  # and, by its foreign key, what waits
            transaction.secrets_died = True
            await transaction.audit(event)

        await self._write(work, of=project_id)

    async def webhook_secret(self, project_id: UUID, webhook_id: UUID) -> SealedSecret:
        """Raise WebhookNotFound."""
        row = await self._one(_SEALED, (str(project_id), str(webhook_id)), of=project_id)
        if row is None:
            raise WebhookNotFound
        secret_version, kid, generation, wrapped, sealed = row
        return SealedSecret(secret_version, WrappedSeed(kid, generation, wrapped), sealed)


def webhook_of(row: Row) -> Webhook:
    """Return the webhook that WEBHOOK's columns are.

    Raise SealBroken for values that no write of this program leaves.
    """
    (
        id_, project_id, url, created_at, updated_at, kinds, disabled, version, secret_version,
        last_status, last_at,
    ) = row  # fmt: skip
    try:
        return Webhook(
            UUID(id_),
            UUID(project_id),
            url,
            instant(created_at),
            instant(updated_at),
            kinds=tuple(map(EventKind, kinds.split(","))) if kinds else (),
            disabled=bool(disabled),
            version=version,
            secret_version=secret_version,
            last_status=None if last_status is None else DeliveryStatus(last_status),
            last_at=instant_or_none(last_at),
        )
    except (ValueError, OverflowError) as error:
        raise SealBroken("a webhook") from error


async def drop_waiting(transaction: Transaction, place: Place) -> None:
    """Empty a webhook's part of the outbox."""
    await transaction.change(_DROP, place)
    await transaction.change(_NONE_WAITS, place)


def _place(webhook: Webhook) -> Place:
    return str(webhook.project_id), str(webhook.id)


def _columns(webhook: Webhook) -> Row:
    """Return what create and update both write, in the statements' order."""
    return (
        webhook.url,
        ",".join(webhook.kinds),
        webhook.disabled,
        micros(webhook.updated_at),
    )


async def _stored(transaction: Transaction, place: Place) -> Webhook:
    return webhook_of(at_version(await transaction.one(_FIND, place), None, WebhookNotFound()))
