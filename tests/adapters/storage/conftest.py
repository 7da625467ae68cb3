"""Every claim of the conformance suite runs on each store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from regcred.adapters.storage.postgres import Address, PostgresStore
from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.domain.ports import Store
from tests.adapters.storage.samples import Clock, World
from tests.fakes.store import MemoryStore
from tests.tools.postgres import Cluster


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty store's file, made once: migrating is slow, copying is not."""
    directory = tmp_path_factory.mktemp("migrated")
    schema.migrate(directory)
    return (directory / "regcred.db").read_bytes()


@pytest.fixture
def directory(tmp_path: Path, migrated: bytes) -> Path:
    """A directory with an empty store."""
    directory = tmp_path / "store"
    directory.mkdir(mode=0o700)
    (directory / "regcred.db").write_bytes(migrated)
    return directory


@pytest.fixture
def sqlite_store(directory: Path, clock: Clock) -> Iterator[SqliteStore]:
    store = SqliteStore.open(directory, clock=clock)
    yield store
    store.close()


@pytest.fixture
async def postgres_store(database: Cluster, clock: Clock) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(Address(database.url("app", "regcred")), clock=clock)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, clock: Clock) -> Store:
    if request.param == "memory":
        return MemoryStore(clock)
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
async def world(store: Store, clock: Clock) -> World:
    return await World(store, clock).begin()


@pytest.fixture
async def sqlite_world(sqlite_store: SqliteStore, clock: Clock) -> World:
    return await World(sqlite_store, clock).begin()
