"""Which schema a store has, and how it gets the one that this program needs.

Alembic is imported only where it runs: a server that finds the schema current starts without it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from regcred.adapters.storage.migrations.plan import Revision, revisions_after, tables_of
from regcred.adapters.storage.revision import HEAD, refuse_other
from regcred.adapters.storage.sqlite.connection import connect
from regcred.adapters.storage.sqlite.place import DATABASE, make_private

_REMEDY = "stop the service, take a copy, and run `regcred migrate --data` with the same folder"
_MIGRATIONS = Path(__file__).parent.parent / "migrations"


def current_revision(directory: Path) -> str | None:
    """Return the revision of the store in `directory`; None if there is none yet."""
    path = directory / DATABASE
    if not path.exists():
        return None
    with closing(connect(path)) as connection:
        return revision_of(connection)


def revision_of(connection: sqlite3.Connection) -> str | None:
    """Return the revision that an open database says it has."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None  # no such table: nothing was ever migrated
    return None if row is None else str(row[0])


def require_head(connection: sqlite3.Connection) -> None:
    """Raise StartRefused, saying what to run, unless the schema is the one we need."""
    refuse_other(revision_of(connection), _REMEDY)


def plan(directory: Path) -> tuple[str | None, list[Revision], dict[str, int]]:
    """Return the store's revision, what `migrate` would do to it, and how many rows tables have."""
    with closing(connect(directory / DATABASE)) as connection:
        found = revision_of(connection)
        if found is not None and found > HEAD:
            require_head(connection)
        revisions = revisions_after(found, "sqlite")
        rows = {
            table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  the revisions' own names
            for table in tables_of(revisions)
        }
    return found, revisions, rows


def migrate(directory: Path) -> None:
    """Bring the store in `directory` to the newest schema, making it if there is none.

    One transaction, under SQLite's write lock: interrupted or raced, it happens once or not at
    all. Raise StartRefused for a store that is newer than this program.
    """
    path = make_private(directory)
    with closing(connect(path)) as connection:
        found = revision_of(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            require_head(connection)
    _upgrade(path)


def _upgrade(path: Path) -> None:
    # Imported here: together they cost a start a quarter of a second that it rarely needs.
    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415  see above
    from sqlalchemy import create_engine, event  # noqa: PLC0415  see above
    from sqlalchemy.engine import Connection  # noqa: PLC0415  see above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415  see above

    engine = create_engine("sqlite://", creator=lambda: connect(path), poolclass=NullPool)

    # The driver is in autocommit mode, so this BEGIN is the only one, and SQLAlchemy's COMMIT
    # at the end of the block ends it.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
