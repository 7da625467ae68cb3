"""Seal a webhook's signing secret to its place, and open it again.

The place holds the address: a row edited to send a project's events elsewhere does not open.
"""

from __future__ import annotations

from uuid import UUID

from regcred.domain.errors import SealBroken
from regcred.domain.ports import SWAP_ATTEMPTS, SealContext, SealedSecret, Sealer, Store
from regcred.domain.secret import Secret
from regcred.domain.webhook import Webhook

WEBHOOK_FIELD = "webhook"


async def seal_webhook(
    store: Store, sealer: Sealer, webhook: Webhook, secret: Secret
) -> SealedSecret:
    """Seal `secret` to the place that `webhook` names. Raise KeyringUnavailable."""
    seed = await store.project_seed(webhook.project_id)
    sealed = await sealer.seal(seed, _place(webhook), secret)
    return SealedSecret(webhook.secret_version, seed, sealed)


async def open_webhook(sealer: Sealer, webhook: Webhook, stored: SealedSecret) -> Secret:
    """Open the secret that was stored with `webhook`. Raise SealBroken, KeyringUnavailable."""
    return await sealer.open(stored.seed, _place(webhook), stored.sealed)


async def current_webhook(
    store: Store, sealer: Sealer, project_id: UUID, webhook_id: UUID
) -> tuple[Webhook, Secret]:
    """Read a webhook and open its present secret.

    Two reads: a rotation between them leaves a pair that never belonged together. Raise
    WebhookNotFound, SealBroken, KeyringUnavailable.
    """
    for _ in range(SWAP_ATTEMPTS):
        webhook = await store.find_webhook(project_id, webhook_id)
        stored = await store.webhook_secret(project_id, webhook_id)
        if stored.secret_version == webhook.secret_version:
            return webhook, await open_webhook(sealer, webhook, stored)
    raise SealBroken("the webhook's secret")


def _place(webhook: Webhook) -> SealContext:
    return SealContext(
        str(webhook.project_id),
        str(webhook.id),
        WEBHOOK_FIELD,
        webhook.secret_version,
        webhook.delivery,
    )
