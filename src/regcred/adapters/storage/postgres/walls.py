"""Who may do what in the database, and whose rows are seen: the wall behind the statements.

Four roles: the owner migrates; `regcred_app` serves, owns nothing, changes no audit row and deletes
old ones alone; `regcred_audit_writer`, which the app's role is a member of, may only append to it;
`regcred_backup` only reads. Row-level security is forced on every table that has a project: rows
are seen of the one project that the transaction has set, or, where it says so, of every one. What
every table must have follows from its columns, so that no new one is forgotten: a migration puts
up what is missing or changed, and a start refuses it (`wall_checks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from regcred.adapters.storage.migrations import hot_read
from regcred.adapters.storage.sql.audit_rows import DECIDING

APP, AUDIT_WRITER, BACKUP = "regcred_app", "regcred_audit_writer", "regcred_backup"
ROLES = (APP, AUDIT_WRITER, BACKUP)

SETTING = "regcred.project"
EVERY = "*"
"""Of the setting: every project. Only what the nouns do not do for one project says it."""

TRACE = "regcred_trace_1"
REMEMBER = "regcred_remember_1"
"""Functions that write what answers leave, and what a repeated request is not to do again.

They have no rights but their caller's.
"""

TABLES = (
    *("alembic_version", "api_keys", "audit_checkpoints", "audit_events", "audit_floor"),
    *("audit_numbers", "clusters", "credential_labels", "credential_logins", "credential_scopes"),
    *("credential_secrets", "credentials", "events", "fetches", "health", "idempotent_requests"),
    *("leases", "project_seeds", "projects", "service_keys", "unused_keys", "uses", "verdicts"),
    *("webhook_deliveries", "webhooks", "workloads", "wrong_keys"),
)
"""What the migrations make. A start that asked the catalogue would not miss one that is gone."""

_AUDIT = "audit_events"
_EARLIER = hot_read.SIGNATURE.replace(hot_read.NAME, "regcred_resolve_1")

MISSING_ROLES = """
    SELECT wanted FROM unnest(CAST($1 AS text[])) AS wanted
    WHERE wanted NOT IN (SELECT rolname FROM pg_roles)
"""

OPEN_TO_ALL = """
    SELECT EXISTS (
        SELECT 1 FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
        WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'
    )
"""
"""Whether anybody may put names into the schema that a definer's function reads from."""

_NEVER_PRUNED = ", ".join(
    [*re.findall(r"'[a-z._]+'", DECIDING), "'store.rollback_accepted'", "'audit.pruned'"]
)


class Policy(NamedTuple):
    """Which rows are seen, and may be written."""

    name: str
    using: str
    with_check: str = ""
    permissive: bool = True
    command: str = "ALL"

    def made_on(self, table: str) -> str:
        """Return the statement that makes it."""
        kind = "PERMISSIVE" if self.permissive else "RESTRICTIVE"
        check = f" WITH CHECK ({self.with_check})" if self.with_check else ""
        return (
            f"CREATE POLICY {self.name} ON {table} AS {kind} FOR {self.command} "
            f"USING ({self.using}){check}"
        )


class Wall(NamedTuple):
    """What a table must have, and nothing else of it."""

    policies: tuple[Policy, ...]
    """None: every row is seen, as it has no project's."""

    grants: frozenset[tuple[str, str]]
    """(role, privilege) of our roles."""


# What pruning may take: rows behind a checkpoint that says so, which decide nothing, and are as old
# as the owner wants them at least: whether a checkpoint is signed no database can tell.
_ONLY_OLD = Policy(
    "only_old",
    "number <= (SELECT max(p.number) AS max FROM audit_checkpoints p WHERE p.pruned = 1)"  # noqa: S608  constants alone
    " AND at < (SELECT (date_part('epoch', now()) - f.days * 86400) * 1000000 AS before"
    " FROM audit_floor f)"
    f" AND action <> ALL (ARRAY[{_NEVER_PRUNED}])",
    permissive=False,
    command="DELETE",
)
_WRITTEN = {(APP, "INSERT"), (APP, "UPDATE"), (APP, "DELETE")}
# Not written by the app as the other tables are.
_MORE = {
    _AUDIT: {(AUDIT_WRITER, "INSERT"), (APP, "DELETE")},  # of what `_ONLY_OLD` leaves
    "audit_numbers": {(AUDIT_WRITER, "SELECT"), (AUDIT_WRITER, "UPDATE")},
    "audit_floor": set(),
    "alembic_version": set(),
}


def wall_of(table: str, project: str | None) -> Wall:
    """Return what a table must have; `project` is the column that holds its project, if any."""
    policies: tuple[Policy, ...] = ()
    if project is not None:
        # After a transaction the setting is '' and not gone.
        seen = f"{project} = NULLIF(current_setting('{SETTING}', true), '')"
        every = f"current_setting('{SETTING}', true) = '{EVERY}'"
        policies = (
            Policy("of_the_project", seen, seen),
            Policy("of_every_project", every, every),
            *((_ONLY_OLD,) if table == _AUDIT else ()),
        )
    grants = {(APP, "SELECT"), (BACKUP, "SELECT"), *_MORE.get(table, _WRITTEN)}
    return Wall(policies, frozenset(grants))


def put_up(table: str, wall: Wall, there: Iterable[str]) -> Iterator[str]:
    """Yield the statements that put up a table's wall; `there` are policies that it has."""
    if wall.policies:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    for name in there:
        escaped = name.replace('"', '""')
        yield f'DROP POLICY "{escaped}" ON {table}'
    for policy in wall.policies:
        yield policy.made_on(table)
    yield f"REVOKE ALL ON {table} FROM PUBLIC, {', '.join(ROLES)}"
    for role, privilege in sorted(wall.grants):
        yield f"GRANT {privilege} ON {table} TO {role}"


AROUND = (
    f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}",
    f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {BACKUP}",
    # Servers of the version before call it until they end; where none was, nobody may.
    f"REVOKE ALL ON FUNCTION {_EARLIER} FROM PUBLIC",
    f"REVOKE ALL ON FUNCTION {hot_read.SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {hot_read.SIGNATURE} TO {APP}",
    f"REVOKE ALL ON FUNCTION public.{TRACE}, public.{REMEMBER} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION public.{TRACE}, public.{REMEMBER} TO {APP}",
)
"""What is no table's, and locks none."""
