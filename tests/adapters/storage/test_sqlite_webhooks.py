"""A webhook that was put back from an older copy of the file is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import SealBroken
from regcred.domain.webhook import Webhook
from tests.adapters.storage.samples import START, World, an_event, event, new_id, sealed

ACCEPTED = AuditEvent(Action.ROLLBACK_ACCEPTED, NO_PROJECT, "operator:cli", START)


def raw(directory: Path, statement: str, *parameters: object) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(directory / "regcred.db", isolation_level=None)) as database:
        return database.execute(statement, parameters).fetchall()


def put_back(directory: Path, row: Sequence[object]) -> None:
    marks = ", ".join("?" * len(row))
    raw(directory, f"INSERT OR REPLACE INTO webhooks VALUES ({marks})", *row)  # noqa: S608  marks alone


async def add(world: World, project_id: UUID | None = None) -> Webhook:
    made = Webhook(new_id(), project_id or world.id, "https://a.example", START, START)
    done = event(Action.WEBHOOK_CREATED, made.project_id, made.id, secret_version=1)
    return await world.store.create_webhook(made, sealed(), done)


async def test_one_as_it_was_before_it_moved_or_turned_is_noticed(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    await add(sqlite_world)
    made = await add(sqlite_world)
    kept = raw(directory, "SELECT * FROM webhooks WHERE id = ?", str(made.id))[0]
    moved = replace(made, url="https://b.example", secret_version=2)
    done = event(Action.WEBHOOK_UPDATED, sqlite_world.id, made.id, secret_version=2)
    await sqlite_store.update_webhook(moved, None, sealed(2), done)
    assert sqlite_store.webhooks_behind_audit() == []
    put_back(directory, kept)

    assert sqlite_store.webhooks_behind_audit() == [(sqlite_world.id, made.id)]
    await sqlite_store.accept_rollback(ACCEPTED)
    assert sqlite_store.webhooks_behind_audit() == []


async def test_one_that_was_deleted_and_is_there_again_is_noticed(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    await add(sqlite_world)
    made = await add(sqlite_world)
    kept = raw(directory, "SELECT * FROM webhooks WHERE id = ?", str(made.id))[0]
    gone = event(Action.WEBHOOK_DELETED, sqlite_world.id, made.id)
    await sqlite_store.delete_webhook(sqlite_world.id, made.id, None, gone)
    assert sqlite_store.webhooks_back_from_deletion() == []
    put_back(directory, kept)

    assert sqlite_store.webhooks_back_from_deletion() == [(sqlite_world.id, made.id)]
    await sqlite_store.accept_rollback(ACCEPTED)
    assert sqlite_store.webhooks_back_from_deletion() == []


def holding(directory: Path, sought: bytes) -> list[str]:
    """Return the names of files that hold these bytes."""
    files = [path for path in directory.iterdir() if path.is_file()]
    return [path.name for path in files if sought in path.read_bytes()]


async def test_a_secret_that_was_turned_or_deleted_leaves_the_files(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    made = await add(sqlite_world)
    marked = sealed(2, "the-sealed-bytes-that-must-go")
    done = event(Action.WEBHOOK_UPDATED, sqlite_world.id, made.id, secret_version=2)
    await sqlite_store.update_webhook(made, None, marked, done)
    await sqlite_store.update_webhook(made, None, sealed(3, "x"), done)
    other = await add(sqlite_world)
    await sqlite_store.update_webhook(other, None, marked, done)
    gone = event(Action.WEBHOOK_DELETED, sqlite_world.id, other.id)
    await sqlite_store.delete_webhook(sqlite_world.id, other.id, None, gone)
    sqlite_store.close()

    assert holding(directory, b"webhooks_due")
    assert holding(directory, marked.sealed) == []


UNREADABLE = [
    "webhooks SET last_status = 'never said'",
    "webhooks SET kinds = 'verdict.changed,nonsense'",
    "webhooks SET last_at = 9223372036854775807",
]


@pytest.mark.parametrize("edit", UNREADABLE)
async def test_a_row_that_no_write_leaves_is_refused(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path, edit: str
) -> None:
    made = await add(sqlite_world)
    raw(directory, f"UPDATE {edit}")

    with pytest.raises(SealBroken):
        await sqlite_store.find_webhook(sqlite_world.id, made.id)


@pytest.mark.parametrize(
    "edit", [*UNREADABLE, "events SET kind = 'of.a.newer.program'", "events SET details = '{'"]
)
async def test_what_cannot_be_read_is_in_nobodys_way(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path, edit: str
) -> None:
    await add(sqlite_world)
    await sqlite_store.record_event(an_event(sqlite_world.id))
    raw(directory, f"UPDATE {edit}")
    other = await sqlite_world.add_project("beta")
    fine = await add(sqlite_world, other.id)
    await sqlite_store.record_event(an_event(other.id))

    claims = await sqlite_store.claim_deliveries(START, timedelta(minutes=1), 10)

    assert [one.webhook.id for one in claims] == [fine.id]
    waiting = raw(directory, "SELECT project_id FROM webhook_deliveries")
    assert waiting == [(str(other.id),)]
    ((status,),) = raw(directory, "SELECT last_status FROM webhooks WHERE id <> ?", str(fine.id))
    assert status == "gave_up"
