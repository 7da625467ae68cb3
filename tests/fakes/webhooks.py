"""The webhooks and the outbox of the store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.errors import TooManyWebhooks, VersionMismatch, WebhookNotFound
from regcred.domain.event import Event
from regcred.domain.ports import Claimed, IdempotentRequest, SealedSecret
from regcred.domain.project import Project
from regcred.domain.webhook import (
    MAX_UNDER_WAY,
    MAX_WAITING,
    MAX_WEBHOOKS,
    REST_AFTER_CHANGE,
    DeliveryStatus,
    Settled,
    Webhook,
)

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _Waiting:
    """One event that has not reached its webhook."""

    event: Event
    due_at: datetime
    attempts: int = 0


@dataclass
class _Kept:
    """A webhook with everything that dies with it."""

    webhook: Webhook
    secret: SealedSecret
    waiting: list[_Waiting] = field(default_factory=list)
    held_until: datetime = _EVER
    claimed: bool = False
    failures: int = 0

    def wants(self, event: Event) -> bool:
        kinds = self.webhook.kinds
        return not self.webhook.disabled and (not kinds or event.kind in kinds)

    def first_due(self, now: datetime) -> _Waiting | None:
        due = [one for one in self.waiting if one.due_at <= now]
        return min(due, key=lambda one: (one.due_at, one.event.number), default=None)

    def forget(self, number: int) -> None:
        self.waiting = [one for one in self.waiting if one.event.number != number]

    def note(self, status: DeliveryStatus, at: datetime) -> None:
        self.webhook = replace(self.webhook, last_status=status, last_at=at)


class MemoryWebhooks:
    """The port's methods on webhooks; what it builds on is the store's."""

    def __init__(self) -> None:
        self._webhooks: dict[tuple[UUID, UUID], _Kept] = {}

    async def create_webhook(
        self,
        webhook: Webhook,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Webhook:
        self._refuse_repeated(idempotent)
        self._project(webhook.project_id, None)
        if len(self._of(webhook.project_id)) >= MAX_WEBHOOKS:
            raise TooManyWebhooks(MAX_WEBHOOKS)
        stored = replace(webhook, version=1, secret_version=secret.secret_version)
        self._webhooks[webhook.project_id, webhook.id] = _Kept(stored, secret)
        self._remember(idempotent, str(webhook.id))
        self._append(event)
        return stored

    async def find_webhook(self, project_id: UUID, webhook_id: UUID) -> Webhook:
        return self._kept(project_id, webhook_id, None).webhook

    async def list_webhooks(self, project_id: UUID, after: str, limit: int) -> Sequence[Webhook]:
        self._awake()
        found = sorted((kept.webhook for kept in self._of(project_id)), key=lambda w: str(w.id))
        return [webhook for webhook in found if str(webhook.id) > after][:limit]

    async def update_webhook(
        self,
        webhook: Webhook,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> Webhook:
        kept = self._kept(webhook.project_id, webhook.id, expected_version)
        kept.secret = secret or kept.secret
        kept.webhook = replace(
            kept.webhook,
            url=webhook.url,
            kinds=webhook.kinds,
            disabled=webhook.disabled,
            updated_at=webhook.updated_at,
            version=kept.webhook.version + 1,
            secret_version=kept.secret.secret_version,
        )
        kept.failures = 0
        kept.held_until = min(kept.held_until, webhook.updated_at + REST_AFTER_CHANGE)
        if webhook.disabled:
            kept.waiting = []
        self._append(event)
        return kept.webhook

    async def delete_webhook(
        self, project_id: UUID, webhook_id: UUID, expected_version: int | None, event: AuditEvent
    ) -> None:
        self._kept(project_id, webhook_id, expected_version)
        del self._webhooks[project_id, webhook_id]
        self._append(event)

    async def webhook_secret(self, project_id: UUID, webhook_id: UUID) -> SealedSecret:
        return self._kept(project_id, webhook_id, None).secret

    async def claim_deliveries(
        self, now: datetime, lease: timedelta, limit: int
    ) -> Sequence[Claimed]:
        self._awake()
        due = [
            (max(first.due_at, kept.held_until), kept, first)
            for kept in self._webhooks.values()
            if kept.held_until <= now and (first := kept.first_due(now)) is not None
        ]
        claims: list[Claimed] = []
        for _, kept, first in sorted(due, key=lambda found: found[0]):
            others = self._of(kept.webhook.project_id)
            under_way = sum(one.claimed and one.held_until > now for one in others)
            if len(claims) == limit or under_way >= MAX_UNDER_WAY:
                continue
            kept.claimed, kept.held_until = True, now + lease
            project = self._project(kept.webhook.project_id, None)
            claims.append(
                Claimed(
                    kept.webhook,
                    kept.secret,
                    first.event,
                    project,
                    first.attempts,
                    kept.failures,
                    kept.held_until,
                )
            )
        return claims

    async def settle_delivery(
        self, claimed: Claimed, settled: Settled, disabled: AuditEvent | None = None
    ) -> None:
        self._awake()
        number = claimed.event.number
        kept = self._webhooks.get((claimed.webhook.project_id, claimed.webhook.id))
        if kept is None:
            return
        held = kept.claimed and kept.held_until == claimed.held_until
        if not held or kept.webhook.version != claimed.webhook.version:
            if settled.status is DeliveryStatus.DELIVERED:
                kept.forget(number)
            if held:
                kept.claimed, kept.held_until = False, settled.at
            return
        if settled.retry_at is None:
            kept.forget(number)
        for one in kept.waiting:
            if one.event.number == number and settled.retry_at is not None:
                one.attempts, one.due_at = one.attempts + 1, settled.retry_at
        if settled.disables:
            kept.waiting = []
            kept.webhook = replace(
                kept.webhook,
                disabled=True,
                updated_at=settled.at,
                version=kept.webhook.version + 1,
            )
        kept.note(settled.status, settled.at)
        kept.claimed, kept.held_until = False, settled.rest_until
        kept.failures = 0 if settled.status is DeliveryStatus.DELIVERED else kept.failures + 1
        if disabled is not None:
            self._append(disabled)

    async def release_delivery(self, claimed: Claimed, rest_until: datetime) -> None:
        self._awake()
        kept = self._webhooks.get((claimed.webhook.project_id, claimed.webhook.id))
        if kept is not None and kept.claimed and kept.held_until == claimed.held_until:
            kept.claimed, kept.held_until = False, rest_until

    def _fan_out(self, event: Event) -> None:
        for kept in self._of(event.project_id):
            if not kept.wants(event):
                continue
            kept.waiting.append(_Waiting(event, event.at))
            if len(kept.waiting) > MAX_WAITING:
                kept.waiting = sorted(kept.waiting, key=lambda one: one.event.number)[1:]
                kept.note(DeliveryStatus.OVERFLOWED, event.at)

    def _drop_webhooks(self, project_id: UUID) -> None:
        for kept in self._of(project_id):
            del self._webhooks[project_id, kept.webhook.id]

    def _drop_deliveries(self, project_id: UUID, oldest: int) -> None:
        """Forget what waits of events that are no longer kept: those below number `oldest`."""
        for kept in self._of(project_id):
            kept.waiting = [one for one in kept.waiting if one.event.number >= oldest]

    def _of(self, project_id: UUID) -> list[_Kept]:
        return [kept for (project, _), kept in self._webhooks.items() if project == project_id]

    def _kept(self, project_id: UUID, webhook_id: UUID, expected_version: int | None) -> _Kept:
        self._awake()
        kept = self._webhooks.get((project_id, webhook_id))
        if kept is None:
            raise WebhookNotFound
        if expected_version not in (None, kept.webhook.version):
            raise VersionMismatch
        return kept

    # What the store gives

    def _awake(self) -> None:
        raise NotImplementedError

    def _append(self, event: AuditEvent) -> None:
        raise NotImplementedError

    def _project(self, project_id: UUID, expected_version: int | None) -> Project:
        raise NotImplementedError

    def _refuse_repeated(self, request: IdempotentRequest | None) -> None:
        raise NotImplementedError

    def _remember(self, request: IdempotentRequest | None, resource_id: str) -> None:
        raise NotImplementedError
