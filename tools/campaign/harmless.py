"""What may be edited in a store without being noticed, and why it does no harm; each one reviewed.

An edit of these decides nothing about who gets which secret and where it goes. Who may write to the
database can also delete from it: that something is no longer found is not prevented (SECURITY.md).
"""

from __future__ import annotations

_REVIEWED = {
    "a time that is shown, and decides nothing": """
        api_keys.created_at api_keys.last_used_at clusters.created_at clusters.updated_at
        credentials.created_at credentials.updated_at credentials.last_used_at
        credentials.verdict_at events.at fetches.first_at fetches.last_at projects.created_at
        projects.updated_at uses.created_at verdicts.checked_at webhooks.created_at
        webhooks.updated_at webhooks.last_at workloads.created_at idempotent_requests.at""",
    "words for people; permission and secrets go by ids, and docs/sealing.md says so": """
        api_keys.name credentials.name credentials.description credentials.labels
        credentials.last_used_by projects.name projects.number credentials.check_image
        credential_logins.failure_note webhooks.last_status""",
    "an index: what is found by it is held against the credential's own, sealed scopes": """
        credential_scopes.lookup credential_scopes.number credential_scopes.path
        credential_scopes.project_id credential_scopes.scope credential_scopes.whole
        credential_labels.label credential_labels.number credential_labels.project_id
        credential_labels.value""",
    "then it is not found, as if it were deleted; where it would be found instead, its seal or "
    "stamp does not agree": """
        clusters.audience clusters.issuer workloads.cluster_id workloads.namespace
        workloads.project_id workloads.service_account credentials.id credentials.number
        credentials.project_id credential_secrets.credential_id credential_secrets.project_id
        credential_secrets.seed_generation credential_secrets.state credentials.secret_version
        credentials.scopes webhooks.id webhooks.project_id projects.id project_seeds.project_id
        project_seeds.generation credential_logins.credential_id credential_logins.place
        credential_logins.project_id credential_logins.sealed credential_logins.secret_version
        credential_logins.seed_generation""",
    "when something is looked at again; sooner or later is no other secret": """
        credentials.check_at credentials.check_failures credentials.notice_at
        credential_logins.claim credential_logins.claimed_until credential_logins.expires_at
        credential_logins.failure credential_logins.failures credential_logins.refresh_at
        projects.recheck_every projects.replan_after""",
    "what registries said: it withholds or lets be tried a login that goes to the same place": """
        credentials.verdict credentials.dead_since credentials.dead_last verdicts.credential_id
        verdicts.evidence verdicts.image verdicts.kind verdicts.number verdicts.project_id
        verdicts.secret_version""",
    "when pullers ask again; whether a login still works is its registry's to say": """
        credentials.expires_at""",
    "a courtesy between honest writers: a wrong one refuses or lets through a change, which has "
    "its own permission and audit row": """
        credentials.version projects.version webhooks.version projects.require_if_match
        uses.credential_id uses.expires_at uses.kind uses.name uses.project_id
        idempotent_requests.digest idempotent_requests.key idempotent_requests.principal
        idempotent_requests.resource_id""",
    "a count: a wrong one shows a wrong total, or refuses the next write": """
        projects.credential_count projects.event_count projects.next_credential_number
        sqlite_sequence.name sqlite_sequence.seq health.checks health.id""",
    "a record for convenience: the audit is the one that is signed": """
        credentials.fetches_lost_at fetches.client fetches.credential_id fetches.image
        fetches.namespace fetches.node fetches.number fetches.principal fetches.project_id
        events.credential_id events.credential_name events.details events.kind events.number
        events.project_id""",
    "a signed state of the audit's chain: edited it is believed no more, and a start links from an "
    "earlier one": """
        audit_checkpoints.at audit_checkpoints.deciding audit_checkpoints.head
        audit_checkpoints.mac audit_checkpoints.number audit_checkpoints.pruned""",
    "which messages wait for a webhook; none holds a secret, and the address is bound": """
        webhook_deliveries.attempts webhook_deliveries.due_at webhook_deliveries.event_number
        webhook_deliveries.project_id webhook_deliveries.webhook_id webhooks.claimed
        webhooks.disabled webhooks.due_at webhooks.failures webhooks.held_until webhooks.kinds
        webhooks.waiting""",
}

HARMLESS = {
    (table, column): why
    for why, names in _REVIEWED.items()
    for table, column in (name.split(".") for name in names.split())
}

HARMLESS_TABLES = {
    "credential_labels", "credential_logins", "credential_scopes", "events", "fetches", "health",
    "idempotent_requests", "projects", "sqlite_sequence", "uses", "verdicts", "webhook_deliveries",
}  # fmt: skip
"""Tables that may be put back whole: all that would be another than before stands above."""

_ONE = "(SELECT id FROM earlier.projects WHERE number = 1)"


def _login(name: str) -> str:
    return f"(SELECT id FROM earlier.credentials WHERE project_id = {_ONE} AND name = '{name}')"  # noqa: S608  constants


def _back(table: str, where: str) -> str:
    """Return what puts rows back as they were in the earlier store, which is attached."""
    return f"REPLACE INTO main.{table} SELECT * FROM earlier.{table} WHERE {where}"  # noqa: S608  constants


def _login_back(name: str) -> tuple[str, ...]:
    number = f"(SELECT number FROM earlier.credentials WHERE id = {_login(name)})"  # noqa: S608  constants
    return (
        _back("credentials", f"id = {_login(name)}"),
        _back("credential_secrets", f"credential_id = {_login(name)}"),
        _back("credential_scopes", f"project_id = {_ONE} AND number = {number}"),
    )


ROWS = {
    "the secret before the last was put back": _login_back("login-2"),
    "a deleted login was put back": _login_back("login-3"),
    "a deleted key was put back": (_back("api_keys", "name = 'narrow-1'"),),
    "a disabled key was put back": (_back("api_keys", "name = 'ends-1'"),),
    "a webhook's former address was put back": (_back("webhooks", f"project_id = {_ONE}"),),
    "a withdrawn workload was put back": (_back("workloads", f"project_id = {_ONE}"),),
    "a cluster's former keys were put back": (_back("clusters", "name = 'prod'"),),
}
"""Rows that are put back, by what that is."""
