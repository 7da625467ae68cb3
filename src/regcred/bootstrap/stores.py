"""Which store the settings name, and how it is opened and migrated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from regcred.adapters.sealing.private_file import read_handed
from regcred.adapters.storage.copies import Copier
from regcred.adapters.storage.migrations.plan import Revision
from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sqlite import schema
from regcred.adapters.storage.sqlite.copying import SqliteCopier
from regcred.adapters.storage.sqlite.place import ServingLock
from regcred.adapters.storage.sqlite.store import SqliteStore
from regcred.domain.errors import InvalidInput, StartRefused
from regcred.domain.secret import Secret
from regcred.settings import Settings

if TYPE_CHECKING:
    from regcred.adapters.storage.postgres import Address, PostgresStore

OpenStore: TypeAlias = "SqliteStore | PostgresStore"

_MAX_PASSWORD = 4096
"""Bytes."""

_NO_DRIVER = "--database needs PostgreSQL's driver: pip install 'regcred[server,postgres]'"


def utc_now() -> datetime:
    """Return now, in UTC, to the microsecond."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_store(settings: Settings, *, exclusive: bool) -> AsyncIterator[OpenStore]:
    """Open the store and close it after use.

    On SQLite `exclusive` takes the serving lock and makes the store where there is none; a
    PostgreSQL database is shared, and its owner makes the schema (`migrate`). Raise StartRefused.
    """
    if settings.database is not None:
        # A command beside the servers need not repeat what they said when they started.
        async with _open_postgres(settings, warn=exclusive) as store:
            yield store
        return
    directory = settings.store_directory
    with ExitStack() as held:
        if exclusive:
            held.enter_context(ServingLock(directory))
            if schema.current_revision(directory) is None:
                schema.migrate(directory)
        sqlite = SqliteStore.open(directory, clock=utc_now, beside=not exclusive)
        held.callback(sqlite.close)
        yield sqlite


def copier(settings: Settings) -> Copier:
    """Return what copies the store while it is served. Raise StartRefused."""
    if settings.database is None:
        return SqliteCopier(settings.store_directory)
    address = address_of(settings)
    from regcred.adapters.storage.postgres.copying import PostgresCopier  # noqa: PLC0415  an extra

    return PostgresCopier(address)


@asynccontextmanager
async def restored(settings: Settings, backup: Path) -> AsyncIterator[PostgresStore]:
    """Restore a dump into the empty database that is named, at this schema, and yield its store.

    Raise StartRefused, StoreUnavailable.
    """
    address = address_of(settings)
    from regcred.adapters.storage.postgres import PostgresStore  # noqa: PLC0415  an extra
    from regcred.adapters.storage.postgres import schema as shared  # noqa: PLC0415  an extra
    from regcred.adapters.storage.postgres.copying import restore_into  # noqa: PLC0415  an extra

    await restore_into(address, backup)
    await shared.migrate(address)
    store = PostgresStore.to_look_over(address, clock=utc_now)
    try:
        yield store
    finally:
        await store.close()


def fallen_walls(settings: Settings) -> list[str]:
    """Return on what `migrate_store` would put walls up anew. Raise StartRefused."""
    if settings.database is None:
        return []
    address = address_of(settings)
    from regcred.adapters.storage.postgres import schema as shared  # noqa: PLC0415  an extra

    return asyncio.run(shared.fallen_walls(address))


def migrate_store(settings: Settings) -> tuple[str | None, str]:
    """Bring the store to this program's schema and return (before, after). Raise StartRefused."""
    if settings.database is not None:
        address = address_of(settings)
        from regcred.adapters.storage.postgres import schema as shared  # noqa: PLC0415  an extra

        return asyncio.run(shared.migrate(address))
    directory = settings.store_directory
    if schema.current_revision(directory) is None:
        raise StartRefused(f"{directory} holds no store to migrate: check --data and --database")
    with ServingLock(directory):
        before = schema.current_revision(directory)
        schema.migrate(directory)
    return before, HEAD


def plan_migration(settings: Settings) -> tuple[str | None, list[Revision], dict[str, int]]:
    """Return the store's revision, what `migrate_store` would run, and how many rows tables have.

    Changes nothing, beside a server too. Raise StartRefused.
    """
    if settings.database is not None:
        address = address_of(settings)
        from regcred.adapters.storage.postgres import schema as shared  # noqa: PLC0415  an extra

        return asyncio.run(shared.plan(address))
    if schema.current_revision(settings.store_directory) is None:
        raise StartRefused(
            f"{settings.store_directory} holds no store to migrate: check --data and --database"
        )
    return schema.plan(settings.store_directory)


@asynccontextmanager
async def _open_postgres(settings: Settings, *, warn: bool) -> AsyncIterator[PostgresStore]:
    address = address_of(settings)
    from regcred.adapters.storage.postgres import PostgresStore  # noqa: PLC0415  an extra

    store = await PostgresStore.open(address, clock=utc_now, warn=warn)
    try:
        yield store
    finally:
        await store.close()


def address_of(settings: Settings) -> Address:
    """Return where the database is, and as whom. Raise StartRefused without its driver."""
    try:
        from regcred.adapters.storage.postgres import Address  # noqa: PLC0415  an extra
    except ModuleNotFoundError as missing:
        if missing.name != "asyncpg":
            raise
        raise StartRefused(_NO_DRIVER) from None
    return Address(settings.database or "", _password(settings), settings.database_prepared)


def _password(settings: Settings) -> Secret | None:
    file = settings.database_password_file
    if file is None:
        return None
    data = read_handed(file, what="database's password file", limit=_MAX_PASSWORD)
    try:
        return Secret(data.decode().rstrip("\n"), field="database password")
    except (UnicodeDecodeError, InvalidInput):
        raise StartRefused(f"the database's password file {file} holds no password") from None
