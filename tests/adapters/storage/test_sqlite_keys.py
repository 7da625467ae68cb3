"""Rows of keys: what edits behind the store's back come to, and keys put back from a copy."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.adapters.storage.sqlite import SqliteStore, connection
from regcred.domain.access import ApiKey
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import SealBroken
from tests.adapters.storage.samples import (
    DIGEST,
    HOST,
    START,
    World,
    a_key,
    a_reveal,
    event,
    stored,
)

DIGESTS = ServiceKeys.derive(bytes(32), bytes).key_digests


def raw(directory: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Edit the file behind the store's back."""
    with closing(connection.connect(directory / "regcred.db")) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute("PRAGMA ignore_check_constraints=ON")
        return database.execute(statement, parameters).fetchall()


async def stamped(world: World) -> ApiKey:
    key = a_key(world.id)
    row = stored(key, DIGESTS.stamp(key, DIGEST))
    return await world.store.create_key(row, event(Action.KEY_CREATED, world.id, key.id))


async def test_the_same_row_is_the_same_object_however_it_is_read(sqlite_world: World) -> None:
    """On this rests that a key's stamp is verified once and not for every request."""
    store, key = sqlite_world.store, await stamped(sqlite_world)
    first = await store.key_for_authentication(key.id)
    pulled = await store.read_for_resolve(key.id, None, HOST, "team/app")

    assert first is await store.key_for_authentication(key.id)
    assert first is pulled.key
    assert first is await store.find_key(sqlite_world.id, key.id)


async def test_an_edited_row_is_another_object_and_verified_anew(
    sqlite_world: World, directory: Path
) -> None:
    store, key = sqlite_world.store, await stamped(sqlite_world)
    before = await store.key_for_authentication(key.id)
    assert before is not None
    assert DIGESTS.genuine(before)

    raw(directory, "UPDATE api_keys SET role = 'admin'")
    edited = await store.key_for_authentication(key.id)

    assert edited is not None
    assert edited is not before
    assert not DIGESTS.genuine(edited)


async def test_a_row_stays_genuine_through_use_and_change(sqlite_world: World) -> None:
    store, key = sqlite_world.store, await stamped(sqlite_world)
    await store.record_reveal(a_reveal(sqlite_world.id, principal=f"key:{key.id}"))
    used = await store.find_key(sqlite_world.id, key.id)
    changed = replace(used.key, disabled=True, expires_at=START, version=2)
    done = event(Action.KEY_UPDATED, sqlite_world.id, key.id)
    await store.update_key(stored(changed, DIGESTS.stamp(changed, used.digest)), 1, done)

    assert used.key.last_used_at == START
    assert DIGESTS.genuine(used)
    assert DIGESTS.genuine(await store.find_key(sqlite_world.id, key.id))


@pytest.mark.parametrize(
    "edit",
    [
        "role = 'root'",
        "project_id = 'not an id'",
        "image_patterns = 'not a pattern'",
        "expires_at = 9223372036854775807",
        "created_at = -9223372036854775807",
    ],
)
async def test_what_no_write_leaves_is_a_broken_seal(
    sqlite_world: World, directory: Path, edit: str
) -> None:
    key = await stamped(sqlite_world)
    raw(directory, f"UPDATE api_keys SET {edit}")  # noqa: S608  from the list above

    with pytest.raises(SealBroken):
        await sqlite_world.store.key_for_authentication(key.id)
    with pytest.raises(SealBroken):
        await sqlite_world.store.read_for_resolve(key.id, None, HOST, "team/app")


class TestKeysBackFromDeletion:
    async def _put_back(self, world: World, store: SqliteStore, directory: Path) -> str:
        """Delete a key, then put its row back, as who kept a copy of it would."""
        key = await world.add_key()
        kept = raw(directory, "SELECT * FROM api_keys WHERE id = ?", key.id)[0]
        deleted = event(Action.KEY_DELETED, world.id, key.id)
        await store.delete_key(world.id, key.id, None, deleted)
        assert await store.keys_back_from_deletion() == []
        marks = ", ".join("?" * len(kept))
        raw(directory, f"INSERT INTO api_keys VALUES ({marks})", *kept)  # noqa: S608  marks alone
        return key.id

    async def test_a_key_put_back_is_noticed(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        await sqlite_world.add_key()
        key = await self._put_back(sqlite_world, sqlite_store, directory)

        assert await sqlite_store.keys_back_from_deletion() == [key]

    async def test_what_the_operator_accepted_counts_from_then_on(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        await self._put_back(sqlite_world, sqlite_store, directory)
        accepted = AuditEvent(Action.ROLLBACK_ACCEPTED, NO_PROJECT, "operator:cli", START)
        await sqlite_store.accept_rollback(accepted)

        assert await sqlite_store.keys_back_from_deletion() == []


async def test_a_key_put_back_as_it_was_before_a_change_is_noticed(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    key = await stamped(sqlite_world)
    kept = raw(directory, "SELECT * FROM api_keys")[0]
    changed = replace(key, disabled=True, version=2)
    done = event(Action.KEY_UPDATED, sqlite_world.id, key.id, secret_version=2)
    await sqlite_store.update_key(stored(changed, DIGESTS.stamp(changed, DIGEST)), 1, done)
    assert await sqlite_store.key_versions_behind_audit() == []
    marks = ", ".join("?" * len(kept))
    raw(directory, f"INSERT OR REPLACE INTO api_keys VALUES ({marks})", *kept)  # noqa: S608  marks alone
    assert await sqlite_store.key_versions_behind_audit() == [key.id]

    # Nor does counting its version up make the older row pass for the newest.
    raw(directory, "UPDATE api_keys SET version = 2")
    assert not DIGESTS.genuine(await sqlite_store.find_key(sqlite_world.id, key.id))
    accepted = AuditEvent(Action.ROLLBACK_ACCEPTED, NO_PROJECT, "operator:cli", START)
    await sqlite_store.accept_rollback(accepted)
    assert await sqlite_store.key_versions_behind_audit() == []
