"""Copies of a store that is being served, and what is wrong with one.

The one thing you would get wrong: the tool. A file that `cp` reads while pages move is no
database, and SQLite's backup API takes dead secrets in free pages along. VACUUM INTO writes only
what lives, from one snapshot, while the server goes on (security facts, A13, A80).
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from regcred.adapters.storage.copies import Copy
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sqlite.connection import connect
from regcred.adapters.storage.sqlite.failures import unavailable
from regcred.adapters.storage.sqlite.place import DATABASE
from regcred.adapters.storage.sqlite.schema import revision_of
from regcred.domain.errors import StartRefused

_MOST = 20
"""Faults told of a damaged file: there may be one for every page."""


class SqliteCopier:
    """Implements `regcred.adapters.storage.copies.Copier` for the store in `directory`."""

    engine = "sqlite"
    suffix = ".db"

    def __init__(self, directory: Path) -> None:
        self._path = directory / DATABASE

    @asynccontextmanager
    async def copied(self, into: Path) -> AsyncIterator[SqliteCopy]:
        """Write a copy to the empty file `into` and yield it; see the port."""
        if not self._path.exists():
            raise StartRefused(
                f"{self._path.parent} holds no store to back up: check --data and --database"
            )
        with closing(connect(self._path)) as store:
            try:
                store.execute("VACUUM INTO ?", (str(into),)).close()
            except sqlite3.Error as error:
                raise unavailable(error) from error
        with closing(_read_only(into)) as reader:
            yield SqliteCopy(reader)


class SqliteCopy(Copy):
    """What one copy holds. The file is read as it is: no log or lock appears beside it."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    async def _revision(self) -> str | None:
        return revision_of(self._reader)

    async def _all(self, statement: str, *parameters: object) -> list[Row]:
        try:
            return self._reader.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error


def faults(directory: Path) -> Sequence[str]:
    """Return what is wrong with the database in `directory`, as SQLite and the schema see it.

    A structure that is broken is told before rows that point nowhere. Raise StartRefused when it
    cannot be opened at all.
    """
    with closing(connect(directory / DATABASE)) as connection:
        try:
            told = [
                str(text)
                for (text,) in connection.execute(f"PRAGMA integrity_check({_MOST})").fetchall()
                if text != "ok"
            ]
            if told:
                return [f"the file is damaged: {text}" for text in told]
            lost = connection.execute("PRAGMA foreign_key_check").fetchall()
        except sqlite3.Error as error:
            return [f"the file is damaged: {unavailable(error)}"]
    return [f"a row of {row[0]} points at no row of {row[2]}" for row in lost[:_MOST]]


def _read_only(path: Path) -> sqlite3.Connection:
    # `immutable`: nobody else writes it, so SQLite makes no lock and no log beside it.
    where = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(where, uri=True, isolation_level=None)
