"""Where a service of the campaign keeps what it has: a folder, or a database and a folder.

A place is made once and copied for each service that begins on it. What a kill leaves is a copy of
the files as they are, or the database as it is.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import asyncpg

from regcred.bootstrap.stores import migrate_store
from regcred.domain.ports import Store
from regcred.settings import Settings
from tests.tools.postgres import ADMINISTRATOR, Cluster, running
from tests.tools.programs import ProgramMissing
from tools.campaign.plants import LooksThenActs

KINDS = ("SQLite", "PostgreSQL")
"""The kinds that a release demands."""

_numbers = itertools.count(1)
_UNLIMITED = 1_000_000

Plant = Callable[[Store], Store]
"""Puts a broken store before a good one."""

_DANGLING = """
    SELECT count(*) FROM uses LEFT JOIN credentials
        ON (credentials.project_id, credentials.id) = (uses.project_id, uses.credential_id)
    WHERE credentials.id IS NULL
"""
_FOREIGN_KEYS = """
    SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'f'
        AND confrelid = 'public.credentials'::regclass
"""


def as_it_is(store: Store) -> Store:
    """Plant nothing."""
    return store


class Place(Protocol):
    """What one service lives on."""

    @property
    def settings(self) -> Settings:
        """Return the settings of a service that lives here."""
        ...

    def copied(self, folder: Path) -> Place:
        """Return a copy that a service may begin on. Nobody may be at work here."""
        ...

    def left_by_a_kill(self, folder: Path) -> Place:
        """Return what would be found here if the service were killed now; maybe this place."""
        ...

    def remove(self) -> None:
        """Clear everything away."""
        ...

    def dangling(self) -> int:
        """Return how many uses point at a login that is not there."""
        ...

    def without_foreign_key(self) -> Plant:
        """Let uses dangle, and return what is to be planted for it."""
        ...


class Kind(Protocol):
    """A kind of store."""

    @property
    def name(self) -> str:
        """Return one of KINDS."""
        ...

    async def first(self, folder: Path) -> Place:
        """Make an empty place."""
        ...


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A folder with an SQLite store."""

    folder: Path

    @property
    def settings(self) -> Settings:
        """Return the settings of a service that lives here."""
        return Settings(data=self.folder, concurrency=4096, verify_per_project=_UNLIMITED)

    def copied(self, folder: Path) -> Place:
        """Return a copy of all that is on the disk now."""
        shutil.copytree(self.folder, folder)
        return SqlitePlace(folder)

    def left_by_a_kill(self, folder: Path) -> Place:
        """Return the files as they are, the log that nobody closed among them.

        A reader keeps the log from being emptied while they are copied one after the other, or
        the copy would be of no one moment.
        """
        with closing(sqlite3.connect(self._database, isolation_level=None)) as reader:
            reader.execute("BEGIN").close()
            reader.execute("SELECT count(*) FROM projects").fetchall()
            return self.copied(folder)

    def remove(self) -> None:
        """Clear everything away."""
        shutil.rmtree(self.folder)

    def dangling(self) -> int:
        """Return how many uses point at a login that is not there."""
        with closing(sqlite3.connect(self._database, timeout=10)) as connection:
            (count,) = connection.execute(_DANGLING).fetchone()
        return int(count)

    def without_foreign_key(self) -> Plant:
        """Return a store that writes past it: on SQLite it stands in the table's own text."""
        return lambda store: cast("Store", LooksThenActs(store, self._execute))

    async def _execute(self, statement: str) -> None:
        await asyncio.sleep(0)
        with closing(sqlite3.connect(self._database, isolation_level=None, timeout=10)) as raw:
            raw.execute("PRAGMA foreign_keys = OFF").close()
            raw.execute(statement).close()

    @property
    def _database(self) -> Path:
        return self.folder / "store" / "regcred.db"


class OnSqlite:
    """The embedded store."""

    name = "SQLite"

    async def first(self, folder: Path) -> Place:
        """Name a folder; the service makes its store."""
        return SqlitePlace(folder)


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A database of a server, and a folder with the key ring and the anchor."""

    cluster: Cluster
    database: str
    folder: Path

    @property
    def settings(self) -> Settings:
        """Return the settings of a service that lives here."""
        return self.settings_of("app")

    def settings_of(self, user: str) -> Settings:
        """Return the settings of who works here as that user of the database."""
        return Settings(
            data=self.folder,
            database=self.cluster.url(user, self.database),
            concurrency=4096,
            verify_per_project=_UNLIMITED,
        )

    def copied(self, folder: Path) -> Place:
        """Return a copy of the database and the folder."""
        shutil.copytree(self.folder, folder)
        name = f"copy_{next(_numbers)}"
        self.cluster.run_sql(f"CREATE DATABASE {name} TEMPLATE {self.database} OWNER owner")
        return PostgresPlace(self.cluster, name, folder)

    def left_by_a_kill(self, folder: Path) -> Place:
        """Return this place: a database outlives the service."""
        del folder
        return self

    def remove(self) -> None:
        """Clear everything away."""
        self.cluster.run_sql(f"DROP DATABASE {self.database} WITH (FORCE)")
        shutil.rmtree(self.folder)

    def dangling(self) -> int:
        """Return how many uses point at a login that is not there."""
        return int(self.cluster.run_sql(_DANGLING, self.database))

    def without_foreign_key(self) -> Plant:
        """Drop every one of the database, and return a store that takes no lock either."""
        for line in self.cluster.run_sql(_FOREIGN_KEYS, self.database).splitlines():
            table, _, name = line.partition("|")
            self.cluster.run_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}", self.database)
        return lambda store: cast("Store", LooksThenActs(store, self._execute))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.cluster.url(ADMINISTRATOR, self.database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class OnPostgres:
    """A database of a PostgreSQL server."""

    cluster: Cluster
    name: str = "PostgreSQL"

    async def first(self, folder: Path) -> Place:
        """Make a migrated database."""
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        place = PostgresPlace(self.cluster, f"first_{next(_numbers)}", folder)
        self.cluster.make(place.database)
        await asyncio.to_thread(migrate_store, place.settings_of("owner"))
        return place


@contextmanager
def every_kind() -> Iterator[Sequence[Kind]]:
    """Yield the kinds of store that this machine has: PostgreSQL only where it is installed."""
    with ExitStack() as held:
        kinds: list[Kind] = [OnSqlite()]
        with suppress(ProgramMissing):
            kinds.append(OnPostgres(held.enter_context(running())))
        yield kinds
