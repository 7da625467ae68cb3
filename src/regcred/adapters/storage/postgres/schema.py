"""Which schema a database has, and how its owner gives it the one that this program needs.

Alembic is imported only where it runs: a server that finds the schema current starts without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg import Connection

from regcred.adapters.storage.migrations import hot_read
from regcred.adapters.storage.migrations.plan import Revision, revisions_after, tables_of
from regcred.adapters.storage.postgres import estimates, walls
from regcred.adapters.storage.postgres.address import Address, connect_first
from regcred.adapters.storage.postgres.ddl import translate_ddl
from regcred.adapters.storage.postgres.failures import unavailable
from regcred.adapters.storage.postgres.wall_checks import FOUND, FUNCTION, Found, function_stands
from regcred.adapters.storage.revision import HEAD, refuse_other
from regcred.domain.errors import StartRefused

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as SyncConnection

_MIGRATIONS = Path(__file__).parent.parent / "migrations"

_LOCK = 0x7265676372656431
"""Held by whoever migrates, so that others wait for the end and find nothing left to do."""

_BEGIN = (
    # Waited for as long as the other one takes; everything after it for two seconds, or requests
    # would queue behind a migration that itself waits for one of them.
    f"SELECT pg_advisory_xact_lock({_LOCK})",
    "SET LOCAL lock_timeout = '2s'",
    f"SET LOCAL {walls.SETTING} = '{walls.EVERY}'",
)
_SETUP = """the database has no role {roles}: as its administrator run
  CREATE ROLE regcred_audit_writer; CREATE ROLE regcred_app; CREATE ROLE regcred_backup;
  GRANT regcred_audit_writer TO regcred_app;
(docs/postgresql.md)"""
_ENCODING = (
    "the database's encoding is {found}, which does not hold every character: "
    "make one with ENCODING 'UTF8' TEMPLATE template0 (docs/postgresql.md)"
)
_STRANGE = (
    "the table {table}: {why}: nothing is changed. As the database's administrator give it back "
    "(ALTER TABLE … OWNER TO), or restore a backup"
)
_OPEN = (
    "anybody may put names into the schema public: as the database's administrator run "
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
)


async def current_revision(address: Address) -> str | None:
    """Return the revision of a database; None if it was never migrated. Raise StartRefused."""
    async with _opened(address) as connection:
        return await revision_of(connection)


async def revision_of(connection: Connection) -> str | None:
    """Return the revision that an open database says it has."""
    try:
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return found


async def require_head(connection: Connection) -> None:
    """Raise StartRefused, saying what to run, unless the schema is the one we need."""
    refuse_other(
        await revision_of(connection), "run `regcred migrate --database` as the database's owner"
    )


async def require_utf8(connection: Connection) -> None:
    """Raise StartRefused unless the database holds whatever text a request may bring."""
    found = await connection.fetchval("SELECT getdatabaseencoding()")
    if found != "UTF8":
        raise StartRefused(_ENCODING.format(found=found))


async def plan(address: Address) -> tuple[str | None, list[Revision], dict[str, int]]:
    """Return the revision, what `migrate` would do, and how many rows tables have.

    Reads alone, in a transaction that is rolled back. Raise StartRefused.
    """
    async with _opened(address) as connection, connection.transaction(readonly=True):
        await require_utf8(connection)
        migrated = await _is_there(connection, "alembic_version")
        found = await revision_of(connection) if migrated else None
        if found is not None and found > HEAD:
            await require_head(connection)
        revisions = revisions_after(found, "postgresql", translate_ddl)
        await connection.execute(f"SET LOCAL {walls.SETTING} = '{walls.EVERY}'")
        rows = {
            table: int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608  the revisions' own names
            for table in tables_of(revisions)
            if await _is_there(connection, table)
        }
    return found, revisions, rows


async def fallen_walls(address: Address) -> list[str]:
    """Return the names of tables, and of the hot read, that `migrate` would put walls up on anew.

    Tables that it has still to make are not among them. Raise StartRefused.
    """
    async with _opened(address) as connection:
        if not await _is_there(connection, "alembic_version"):
            return []
        found = map(Found.of, map(tuple, await connection.fetch(FOUND)))
        there = [table for table in found if table.owned is not None]
        fallen = [table.table for table in there if not table.stands]
        if await revision_of(connection) == HEAD:
            stands = function_stands(await connection.fetch(FUNCTION))
            fallen += [] if stands else [hot_read.NAME]
        return fallen


async def _is_there(connection: Connection, table: str) -> bool:
    return bool(await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table))


async def migrate(address: Address) -> tuple[str | None, str]:
    """Bring the database to the newest schema and put its walls up; return (before, after).

    One transaction under a lock of its own: interrupted or raced, it happens once or not at all.
    Raise StartRefused for a schema that is newer than this program, another encoding than UTF-8,
    for missing roles, or where the owner may not do it.
    """
    async with _opened(address) as connection:
        before = await revision_of(connection)
        if before is not None and before > HEAD:
            await require_head(connection)
        await require_utf8(connection)
        if missing := await connection.fetch(walls.MISSING_ROLES, list(walls.ROLES)):
            raise StartRefused(_SETUP.format(roles=", ".join(row[0] for row in missing)))
        if await connection.fetchval(walls.OPEN_TO_ALL):
            raise StartRefused(_OPEN)
    await _upgrade(address.patient())
    return before, HEAD


async def _upgrade(address: Address) -> None:
    # Imported here: together they cost a start a quarter of a second that it rarely needs.
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415  see above
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415  see above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415  see above

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=address.connect, poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_run)
    except DBAPIError as error:
        cause = getattr(error.orig, "__cause__", None) or error
        again = ": run it again" if isinstance(cause, asyncpg.LockNotAvailableError) else ""
        raise StartRefused(
            f"the migration was given up, and nothing is changed: {unavailable(cause)}{again}"
        ) from cause
    finally:
        await engine.dispose()


def _run(connection: SyncConnection) -> None:
    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415  see above
    from sqlalchemy import event  # noqa: PLC0415  see above

    def translated(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return translate_ddl(statement), parameters

    for statement in _BEGIN:
        connection.exec_driver_sql(statement)
    event.listen(connection, "before_cursor_execute", translated, retval=True)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    event.remove(connection, "before_cursor_execute", translated)
    # What stands is left: to put it up anew would lock every table against everybody.
    for table in map(Found.of, map(tuple, connection.exec_driver_sql(FOUND).all())):
        if table.strange:
            raise StartRefused(_STRANGE.format(table=table.table, why=table.strange))
        if not table.stands:
            for statement in walls.put_up(table.table, table.wall, table.names):
                connection.exec_driver_sql(statement)
    if not function_stands(connection.exec_driver_sql(FUNCTION).all()):
        connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {hot_read.SIGNATURE}")
        connection.exec_driver_sql(hot_read.CREATE)
    for statement in walls.AROUND:
        connection.exec_driver_sql(statement)
    untold = connection.exec_driver_sql(estimates.UNTOLD).all()
    for statement in estimates.tell([(table, filled) for table, filled in untold]):
        connection.exec_driver_sql(statement)


@asynccontextmanager
async def _opened(address: Address) -> AsyncIterator[Connection]:
    connection = await connect_first(address.patient())
    try:
        yield connection
    finally:
        await connection.close()
