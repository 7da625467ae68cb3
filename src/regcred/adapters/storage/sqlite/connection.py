"""How a connection is opened: every promise of durability and secrecy is set and read back.

None of these settings but WAL is kept in the file, and a misspelt PRAGMA is silently nothing:
what is not read back is not set.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from regcred.domain.errors import StartRefused

MINIMUM = (3, 40, 0)
"""The oldest SQLite that the suite runs on (STRICT tables need 3.37)."""

BUSY_TIMEOUT = 5000
"""Milliseconds that a write waits for another process's."""

PRAGMAS: tuple[tuple[str, str, object], ...] = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),  # sync the log at every commit: an acknowledged write stays
    ("foreign_keys", "ON", 1),
    ("secure_delete", "ON", 1),  # not FAST, which leaves dead secrets in free pages
    ("trusted_schema", "OFF", 0),
    ("cell_size_check", "ON", 1),
    ("busy_timeout", str(BUSY_TIMEOUT), BUSY_TIMEOUT),
    # Nothing leaves for a temporary file; and the hot read's IN lists cost a third.
    ("temp_store", "MEMORY", 2),
    ("cache_size", "-2048", -2048),  # KiB: a commit empties the reader's anyway
    ("mmap_size", "0", 0),
)
"""(name, what is set, what must be read back)."""

BESIDE: tuple[tuple[str, str, object], ...] = (
    ("wal_autocheckpoint", "400", 400),  # pages; 1,000 is what a server's own commits wait for
)
"""What a command sets as well that writes beside a server: it moves the log before the server's
commits have to, which requests wait for."""

Pragmas = tuple[tuple[str, str, object], ...]


def connect(path: Path, *, pragmas: Pragmas = PRAGMAS) -> sqlite3.Connection:
    """Open the database in autocommit mode, usable from any thread.

    Raise StartRefused for an old library, a damaged file, or a setting that does not hold.
    """
    refuse_old(sqlite3.sqlite_version_info)
    try:
        # cached_statements: the hot read has one statement for every number of prefixes.
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        for name, setting, wanted in pragmas:
            connection.execute(f"PRAGMA {name}={setting}").close()
            _require(connection, name, wanted)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise _unusable(path, error) from error
    except StartRefused:
        connection.close()
        raise
    return connection


def refuse_old(version: tuple[int, ...]) -> None:
    """Raise StartRefused for an SQLite older than MINIMUM."""
    if version < MINIMUM:
        found, wanted = (".".join(map(str, v)) for v in (version, MINIMUM))
        raise StartRefused(f"SQLite {found} is too old: {wanted} or newer is needed")


def _require(connection: sqlite3.Connection, name: str, wanted: object) -> None:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    # A library built without memory mapping answers mmap_size with no row at all.
    found = row[0] if row else 0
    if found != wanted:
        raise StartRefused(
            f"SQLite does not hold PRAGMA {name}: {wanted!r} is needed, {found!r} is in force"
        )


def _unusable(path: Path, error: Exception) -> StartRefused:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StartRefused(f"{path} cannot be opened as a store ({name}): restore a backup")
