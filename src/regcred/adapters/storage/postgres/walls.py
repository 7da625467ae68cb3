"""Who may do what in the database, and whose rows are seen: the wall behind the statements.

Four roles: the owner migrates; `regcred_app` serves, owns nothing, changes no audit row and deletes
old ones alone; `regcred_audit_writer`, which the app's role is a member of, may only append to it;
`regcred_backup` only reads. Row-level security is forced on every table that has a project: rows
are seen of the one project that the transaction has set, or, where it says so, of every one. Put up
anew after every migration, from the catalogue, so that no new table is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regcred.adapters.storage.migrations import hot_read
from regcred.adapters.storage.sql.audit_rows import DECIDING

APP, AUDIT_WRITER, BACKUP = "regcred_app", "regcred_audit_writer", "regcred_backup"
ROLES = (APP, AUDIT_WRITER, BACKUP)

SETTING = "regcred.project"
EVERY = "*"
"""Of the setting: every project. Only what the nouns do not do for one project says it."""

_EARLIER = hot_read.SIGNATURE.replace(hot_read.NAME, "regcred_resolve_1")

# Neither is written by the app as the other tables are.
_AUDIT, _NUMBERS, _REVISION = "audit_events", "audit_numbers", "alembic_version"

TABLES = """
    SELECT c.relname, (
        SELECT a.attname FROM pg_attribute a
        WHERE a.attrelid = c.oid AND NOT a.attisdropped
            AND a.attname = CASE c.relname WHEN 'projects' THEN 'id' ELSE 'project_id' END
    )
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    ORDER BY c.relname
"""
"""(table, the column that holds its project or NULL)."""

# What pruning may take: rows behind a checkpoint that says so, which decide nothing.
_ONLY_OLD = (
    f"DROP POLICY IF EXISTS only_old ON {_AUDIT}",
    f"""
    CREATE POLICY only_old ON {_AUDIT} AS RESTRICTIVE FOR DELETE USING (
        number <= (SELECT max(p.number) FROM audit_checkpoints p WHERE p.pruned = 1)
        AND action NOT IN {DECIDING}
        AND action NOT IN ('store.rollback_accepted', 'audit.pruned')
    )
    """,  # noqa: S608  constants alone
)

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


def put_up(tables: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    """Yield the statements that put every wall up. `tables` is what TABLES found.

    Always all of them: a policy that is there may say something else.
    """
    yield f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}"
    for table, project in tables:
        if project is not None:
            yield from _policies(table, project)
            if table == _AUDIT:
                yield from _ONLY_OLD
        yield f"REVOKE ALL ON {table} FROM PUBLIC, {', '.join(ROLES)}"
        yield f"GRANT SELECT ON {table} TO {APP}, {BACKUP}"
        if table not in {_AUDIT, _NUMBERS, _REVISION}:
            yield f"GRANT INSERT, UPDATE, DELETE ON {table} TO {APP}"
    yield f"GRANT INSERT ON {_AUDIT} TO {AUDIT_WRITER}"
    yield f"GRANT DELETE ON {_AUDIT} TO {APP}"  # of what `_ONLY_OLD` leaves
    yield f"GRANT SELECT, UPDATE ON {_NUMBERS} TO {AUDIT_WRITER}"
    yield f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {BACKUP}"
    # Servers of the version before call it until they end; where none was, nobody may.
    yield f"REVOKE ALL ON FUNCTION {_EARLIER} FROM PUBLIC"
    yield f"REVOKE ALL ON FUNCTION {hot_read.SIGNATURE} FROM PUBLIC"
    yield f"GRANT EXECUTE ON FUNCTION {hot_read.SIGNATURE} TO {APP}"


def _policies(table: str, project: str) -> Iterator[str]:
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    # After a transaction the setting is '' and not gone.
    seen = f"{project} = NULLIF(current_setting('{SETTING}', true), '')"
    every = f"current_setting('{SETTING}', true) = '{EVERY}'"
    for name, rule in (("of_the_project", seen), ("of_every_project", every)):
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
        yield f"CREATE POLICY {name} ON {table} USING ({rule}) WITH CHECK ({rule})"
