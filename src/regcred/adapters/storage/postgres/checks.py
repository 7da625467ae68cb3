"""What a start looks at before it trusts a database, and what it only warns about."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from asyncpg import Connection

from regcred.adapters.storage.postgres.schema import require_head
from regcred.domain.errors import StartRefused

MINIMUM = 130000
"""The oldest server that still gets repairs, as `server_version_num` counts."""

_LOOK = """
    SELECT current_setting('server_version_num')::int, current_setting('server_version'),
        (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
        EXISTS (
            SELECT 1 FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
            WHERE c.oid = to_regclass('public.projects')
                AND pg_has_role(current_user, r.oid, 'USAGE')
        ),
        current_setting('synchronous_commit'), current_setting('fsync'),
        current_setting('full_page_writes'), current_setting('data_checksums')
"""
_WARNINGS = (
    ("synchronous_commit", "off", "a crash of the database loses writes that were acknowledged"),
    ("fsync", "off", "a power cut destroys the database"),
    ("full_page_writes", "off", "a power cut destroys the database"),
    ("data_checksums", "off", "a damaged page is not noticed"),
)
_LAST_COLUMNS = """
    SELECT c.relname, (
        SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid
        ORDER BY a.attnum DESC LIMIT 1
    )
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
"""
_log = structlog.get_logger("regcred.store")


async def look_over(connection: Connection) -> None:
    """Pass if the service may run on this database as this role, and warn of what is unsafe.

    Raise StartRefused for an old server, another schema, or a role that sees or may do too much.
    """
    version, named, sees_all, owns, *settings = await connection.fetchrow(_LOOK)
    if version < MINIMUM:
        raise StartRefused(f"PostgreSQL {named} is too old: 13 or newer is needed")
    await require_head(connection)
    if sees_all or owns:
        raise StartRefused(
            "the service must not connect as the tables' owner, a superuser, or with BYPASSRLS: "
            "take a user that is a member of regcred_app alone"
        )
    for (name, bad, loss), found in zip(_WARNINGS, settings, strict=True):
        if found == bad:
            _log.warning("the database is not safe", reason=f"{name} is {bad}: {loss}")


async def last_columns(connection: Connection) -> Mapping[str, str]:
    """Return the last column of each unique index: which value was taken, where one refuses."""
    return dict(await connection.fetch(_LAST_COLUMNS))
