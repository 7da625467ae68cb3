"""Bring events to the webhooks that they wait for: claim some, send each, say what came of it.

No caller: the service does this of its own accord. At least once, never in a promised order; a
message keeps its id over all attempts, so that receivers can drop what they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from regcred.domain.audit import Action, AuditEvent
from regcred.domain.errors import QuotaExceeded, SealBroken
from regcred.domain.ports import Claimed, Clock, RandomBytes, Sealer, Store, WebhookSender
from regcred.domain.webhook import DeliveryStatus, message, settled
from regcred.usecases.seal_webhook import open_webhook

SYSTEM = "system:webhooks"
"""Who acts when a receiver ends its own webhook."""

LEASE = timedelta(seconds=60)
"""How long a claim is one worker's: longer than any attempt takes, its waiting included."""

_DICE = 4


class DeliverEvents:
    """Claims deliveries and makes one attempt of each."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        sender: WebhookSender,
        clock: Clock,
        random: RandomBytes,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._sender = sender
        self._clock = clock
        self._random = random

    async def claim(self, limit: int) -> Sequence[Claimed]:
        """Take up to `limit` deliveries that are due, one of a webhook. Raise StoreUnavailable."""
        return await self._store.claim_deliveries(self._clock(), LEASE, limit)

    async def deliver(self, claimed: Claimed) -> DeliveryStatus | None:
        """Make one attempt and settle it; None: it was put off without one.

        Raise KeyringUnavailable and StoreUnavailable: then the claim ends with its lease, and
        the event may be sent again.
        """
        try:
            status = await self._attempt(claimed)
        except QuotaExceeded as refused:
            wait = timedelta(seconds=refused.retry_after)
            await self._store.release_delivery(claimed, self._clock() + wait)
            return None
        spread = int.from_bytes(self._random(_DICE)) / 2 ** (8 * _DICE)
        outcome = settled(status, claimed.attempts, claimed.failures, self._clock(), spread)
        disabled = None
        if outcome.disables:
            webhook = claimed.webhook
            disabled = AuditEvent(
                Action.WEBHOOK_UPDATED,
                webhook.project_id,
                SYSTEM,
                outcome.at,
                str(webhook.id),
                webhook.secret_version,
                details={"host": webhook.host, "disabled": True, "reason": str(status)},
            )
        await self._store.settle_delivery(claimed, outcome, disabled)
        return outcome.status

    async def _attempt(self, claimed: Claimed) -> DeliveryStatus:
        try:
            secret = await open_webhook(self._sealer, claimed.webhook, claimed.secret)
        except SealBroken:
            return DeliveryStatus.SECRET_BROKEN
        told = message(claimed.webhook, claimed.project, claimed.event)
        return await self._sender.send(claimed.webhook.url, secret, told, self._clock())
