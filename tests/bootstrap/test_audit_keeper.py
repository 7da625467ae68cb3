"""A store that was set back is refused at start, until the operator says that it was meant."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from regcred.adapters.sealing.anchor import FileAnchor
from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.domain.audit import Action
from regcred.domain.errors import StartRefused
from tests.adapters.storage.samples import Clock, World, event


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[AuditKeeper]:
    clock, keys = Clock(), ServiceKeys.derive(bytes(32), os.urandom)
    store_directory, key_directory = tmp_path / "store", tmp_path / "keys"
    store_directory.mkdir(mode=0o700)
    key_directory.mkdir(mode=0o700)
    schema.migrate(store_directory)
    with closing(SqliteStore.open(store_directory, sign=keys.audit_signer.sign, clock=clock)) as s:
        yield AuditKeeper(s, keys.audit_chain, FileAnchor(key_directory / "anchor.json"), clock)


async def test_a_key_put_back_refuses_the_start(keeper: AuditKeeper, tmp_path: Path) -> None:
    store = keeper.store
    world = await World(store, Clock()).begin()
    key = await world.add_key()
    with closing(sqlite3.connect(tmp_path / "store" / "regcred.db", isolation_level=None)) as file:
        file.execute("CREATE TEMP TABLE kept AS SELECT * FROM api_keys")
        await store.delete_key(world.id, key.id, None, event(Action.KEY_DELETED, world.id, key.id))
        await keeper.link()
        await keeper.check(accept_rollback=False)
        file.execute("INSERT INTO api_keys SELECT * FROM kept")

    with pytest.raises(StartRefused, match="1 of its keys were deleted"):
        await keeper.check(accept_rollback=False)
    await keeper.check(accept_rollback=True)
    await keeper.check(accept_rollback=False)
