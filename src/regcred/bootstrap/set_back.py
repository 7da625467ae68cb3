"""In what way a store is older than its own audit says: every look, in one sentence."""

from __future__ import annotations

from regcred.adapters.storage.sql.set_back import SetBack

OLDER = "its audit is older than its anchor"


async def set_back(store: SetBack, upto: int) -> str | None:
    """Return in what way a store is older than its audit, which reached row `upto`, if it is."""
    if await store.last_number() < upto:
        return OLDER
    looks = (
        (store.secret_versions_behind_audit, "secrets are older than its audit says"),
        (store.key_versions_behind_audit, "keys are older than its audit says"),
        (store.credentials_back_from_deletion, "credentials were deleted, and are there again"),
        (store.keys_back_from_deletion, "keys were deleted, and are there again"),
        (store.webhooks_behind_audit, "webhooks are older than its audit says"),
        (store.webhooks_back_from_deletion, "webhooks were deleted, and are there again"),
        (store.clusters_behind_audit, "clusters are older than its audit says"),
        (store.pods_back_from_deletion, "clusters or workloads were deleted, and are there again"),
        (store.projects_back_from_deletion, "projects were deleted, and are there again"),
        (store.projects_lost, "projects are gone, and were not deleted"),
        (store.rows_lost, "logins, keys, webhooks or clusters are gone, and were not deleted"),
    )
    for look, what in looks:
        if found := await look():
            return f"{len(found)} of its {what}"
    return None
