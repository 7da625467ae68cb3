"""What a start looks at before it trusts a database, and what it only warns about."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from asyncpg import Connection

from regcred.adapters.storage.migrations import hot_read
from regcred.adapters.storage.postgres.schema import require_head, require_utf8
from regcred.adapters.storage.postgres.wall_checks import (
    FOUND,
    FUNCTION,
    function_stands,
    wrong_walls,
)
from regcred.domain.errors import StartRefused

MINIMUM = 130000
"""The oldest server that still gets repairs, as `server_version_num` counts."""

_TOLD = 3
"""Things that are wrong with the walls, of which a refusal tells."""

_LOOK = """
    SELECT current_setting('server_version_num')::int, current_setting('server_version'),
        EXISTS (
            SELECT 1 FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND (
                r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolname IN (
                    'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'
                )
                OR r.oid = (
                    SELECT c.relowner FROM pg_class c WHERE c.oid = to_regclass('public.projects')
                )
                OR has_schema_privilege(r.oid, 'public', 'CREATE')
            )
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


async def look_over(connection: Connection, *, warn: bool = True) -> None:
    """Pass if the service may run on this database as this role; `warn` of what is unsafe.

    Raise StartRefused for an old server, another schema or encoding, a role that sees or may do too
    much, or walls that are not those which a migration puts up.
    """
    version, named, may_all, *settings = await connection.fetchrow(_LOOK)
    if version < MINIMUM:
        raise StartRefused(f"PostgreSQL {named} is too old: 13 or newer is needed")
    await require_utf8(connection)
    await require_head(connection)
    if may_all:
        raise StartRefused(
            "the service must not connect as the tables' owner, a superuser, or with BYPASSRLS, "
            "CREATEROLE, CREATE on the schema or the server's files or programs, nor as a member "
            "of such a role: take a user that is a member of regcred_app alone"
        )
    await _require_walls(connection)
    for (name, bad, loss), found in zip(_WARNINGS, settings, strict=True):
        if warn and found == bad:
            _log.warning("the database is not safe", reason=f"{name} is {bad}: {loss}")


async def _require_walls(connection: Connection) -> None:
    wrong = list(wrong_walls(await connection.fetch(FOUND)))
    if not function_stands(await connection.fetch(FUNCTION)):
        wrong.append(f"the function {hot_read.NAME} is not as it was made")
    if wrong:
        told = "; ".join(wrong[:_TOLD]) + (" …" if len(wrong) > _TOLD else "")
        raise StartRefused(
            f"the database's walls do not stand: {told}: "
            "run `regcred migrate --database` as the database's owner, and revoke what was granted "
            "to the service's user beside regcred_app"
        )


async def last_columns(connection: Connection) -> Mapping[str, str]:
    """Return the last column of each unique index: which value was taken, where one refuses."""
    return dict(await connection.fetch(_LAST_COLUMNS))
