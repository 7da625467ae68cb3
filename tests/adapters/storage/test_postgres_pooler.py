"""Behind pgbouncer in transaction mode, where each transaction may meet another server process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from regcred.adapters.storage.postgres import Address, PostgresStore, schema
from regcred.adapters.storage.revision import HEAD
from regcred.domain.registry import RegistryAddress
from tests.adapters.storage.samples import Clock, World, a_reveal
from tests.system.conftest import require_tool
from tests.tools.postgres import Cluster, pooled
from tests.tools.programs import LOOPBACK


@pytest.fixture
async def port(database: Cluster) -> AsyncIterator[int]:
    require_tool("pgbouncer")
    with pooled(database, database.folder) as port:
        yield port


@pytest.fixture
async def store(port: int, clock: Clock) -> AsyncIterator[PostgresStore]:
    address = Address(f"postgresql://app@{LOOPBACK}:{port}/regcred", prepared=False)
    store = await PostgresStore.open(address, clock=clock)
    yield store
    await store.close()


async def test_nothing_outlives_a_transaction(store: PostgresStore, clock: Clock) -> None:
    world = await World(store, clock).begin()

    async def one(n: int) -> list[str]:
        login = await world.add(f"login-{n}", f"r{n}.example")
        await store.record_reveal(a_reveal(world.id, login.id))
        return await world.matched("team/app", RegistryAddress(f"r{n}.example"))

    found = await asyncio.gather(*map(one, range(12)))

    assert found == [[f"login-{n} r{n}.example"] for n in range(12)]
    assert len(await world.names()) == 12
    assert [n for n, _ in await store.macs_after(0, 100)] == list(
        range(1, await store.last_number() + 1)
    )


async def test_the_owner_migrates_through_it(port: int) -> None:
    owner = Address(f"postgresql://owner@{LOOPBACK}:{port}/regcred", prepared=False)

    assert await schema.migrate(owner) == (HEAD, HEAD)
