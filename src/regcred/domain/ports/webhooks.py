"""Webhooks: what the store keeps of them, the outbox, and who sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.event import Event
from regcred.domain.ports.sealing import SealedSecret
from regcred.domain.ports.values import IdempotentRequest
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.domain.webhook import DeliveryStatus, Message, Settled, Webhook


@dataclass(frozen=True, slots=True)
class Claimed:
    """One event on its way to one webhook, with all that sending it takes."""

    webhook: Webhook
    secret: SealedSecret
    event: Event
    project: Project
    attempts: int
    """Attempts at this event that failed before."""

    failures: int
    """The webhook's last attempts, at any event, that failed without one between that did not."""

    held_until: datetime
    """How long it is this claimant's alone; also by what the store knows the claim again."""


class WebhookStore(Protocol):
    """Webhooks and what waits for them.

    An event that is stored goes into the outbox of every webhook that wants it, in the same
    transaction. At most MAX_WAITING wait for one webhook; then the oldest is dropped, and the
    webhook's last status says `overflowed`.
    """

    async def create_webhook(
        self,
        webhook: Webhook,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Webhook:
        """Raise ProjectNotFound, TooManyWebhooks, AlreadyDone (looked for first)."""
        ...

    async def find_webhook(self, project_id: UUID, webhook_id: UUID) -> Webhook:
        """Raise WebhookNotFound, also for another project's."""
        ...

    async def list_webhooks(self, project_id: UUID, after: str, limit: int) -> Sequence[Webhook]:
        """Return webhooks with an id above `after` ("" for the start), in id order."""
        ...

    async def update_webhook(
        self,
        webhook: Webhook,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> Webhook:
        """Store url, kinds, disabled, updated_at and the secret if there is one.

        The version counts up by one. Its failures are forgotten, and it rests no longer than
        REST_AFTER_CHANGE. What waits for a webhook that is disabled now is dropped.
        Raise WebhookNotFound, VersionMismatch.
        """
        ...

    async def delete_webhook(
        self, project_id: UUID, webhook_id: UUID, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Delete a webhook, its secret and what waits. Raise WebhookNotFound, VersionMismatch."""
        ...

    async def webhook_secret(self, project_id: UUID, webhook_id: UUID) -> SealedSecret:
        """Raise WebhookNotFound."""
        ...

    async def claim_deliveries(
        self, now: datetime, lease: timedelta, limit: int
    ) -> Sequence[Claimed]:
        """Take the first due delivery of up to `limit` webhooks, as long as they may have had it.

        Who had an attempt goes behind everyone who could have had one since, and a project has
        at most MAX_UNDER_WAY claims, over all claimants. Nobody else gets anything for these
        webhooks until the lease ends or the claim is settled: two workers never send one
        delivery twice meanwhile.
        """
        ...

    async def settle_delivery(
        self, claimed: Claimed, settled: Settled, disabled: AuditEvent | None = None
    ) -> None:
        """Take the delivery out of the outbox or put it off, and note the status.

        A claim whose lease somebody else has taken over changes nothing, but for one that was
        delivered, which leaves the outbox all the same. So it is when the webhook's version is
        no longer the claimed one: what an old address said tells nothing of the new, which is
        tried at once. Where it disables the webhook, its version counts up, what waits is
        dropped, and `disabled` is the audit row of that. What was deleted meanwhile is nothing.
        """
        ...

    async def release_delivery(self, claimed: Claimed, rest_until: datetime) -> None:
        """Give a claim back without an attempt; the webhook rests until then."""
        ...


class WebhookSender(Protocol):
    """Sends messages to addresses that tenants chose."""

    def check(self, url: str) -> None:
        """Pass if the address is one that may be sent to, as far as can be said before sending.

        Raise InvalidInput (http for a host that the operator does not allow it for).
        """
        ...

    async def send(
        self, url: str, secret: Secret, message: Message, sent_at: datetime
    ) -> DeliveryStatus:
        """Sign a message, send it once, and say what came. Raise QuotaExceeded."""
        ...
