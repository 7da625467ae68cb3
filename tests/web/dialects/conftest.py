from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.domain.ports import Clock
from tests.web.dialects.driver import Speaker, driver_of
from tests.web.world import World


@pytest.fixture
def speaker(world: World, name: str) -> Speaker:
    """Whoever speaks the dialect of that name to a fresh service."""
    return Speaker(world, driver_of(name))


@pytest.fixture
async def durable(name: str, tmp_path: Path) -> AsyncIterator[Speaker]:
    """The same over the real store."""
    schema.migrate(tmp_path)
    opened: list[SqliteStore] = []

    def make_store(clock: Clock) -> SqliteStore:
        opened.append(SqliteStore.open(tmp_path, sign=lambda _: b"m", clock=clock))
        return opened[0]

    yield Speaker(await World(make_store).populate(), driver_of(name))
    opened[0].close()
