"""What only this store can show of webhooks: rows put back or edited, what a look costs, counts."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from regcred.adapters.storage.sql import deliveries, events
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import SealBroken
from regcred.domain.event import EventKind
from regcred.domain.ports import Claimed
from regcred.domain.webhook import DeliveryStatus, Webhook, settled
from tests.adapters.storage.samples import START, World, an_event, event, new_id, sealed
from tests.tools.events import record_event

COUNTED = """
    SELECT count(d.event_number), min(d.due_at) FROM webhooks w LEFT JOIN webhook_deliveries d
    ON d.project_id = w.project_id AND d.webhook_id = w.id GROUP BY w.id ORDER BY w.id
"""
ACCEPTED = AuditEvent(Action.ROLLBACK_ACCEPTED, NO_PROJECT, "operator:cli", START)


def raw(directory: Path, statement: str, *parameters: object) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(directory / "regcred.db", isolation_level=None)) as database:
        return database.execute(statement, parameters).fetchall()


def put_back(directory: Path, row: Sequence[object]) -> None:
    marks = ", ".join("?" * len(row))
    raw(directory, f"INSERT OR REPLACE INTO webhooks VALUES ({marks})", *row)  # noqa: S608  marks alone


async def add(world: World, project_id: UUID | None = None, **more: Any) -> Webhook:
    made = Webhook(new_id(), project_id or world.id, "https://a.example", START, START, **more)
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
    assert await sqlite_store.webhooks_behind_audit() == []
    put_back(directory, kept)

    assert await sqlite_store.webhooks_behind_audit() == [(sqlite_world.id, made.id)]
    await sqlite_store.accept_rollback(ACCEPTED)
    assert await sqlite_store.webhooks_behind_audit() == []


async def test_one_that_was_deleted_and_is_there_again_is_noticed(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    await add(sqlite_world)
    made = await add(sqlite_world)
    kept = raw(directory, "SELECT * FROM webhooks WHERE id = ?", str(made.id))[0]
    gone = event(Action.WEBHOOK_DELETED, sqlite_world.id, made.id)
    await sqlite_store.delete_webhook(sqlite_world.id, made.id, None, gone)
    assert await sqlite_store.webhooks_back_from_deletion() == []
    put_back(directory, kept)

    assert await sqlite_store.webhooks_back_from_deletion() == [(sqlite_world.id, made.id)]
    await sqlite_store.accept_rollback(ACCEPTED)
    assert await sqlite_store.webhooks_back_from_deletion() == []


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
    await record_event(sqlite_store, an_event(sqlite_world.id))
    raw(directory, f"UPDATE {edit}")
    other = await sqlite_world.add_project("beta")
    fine = await add(sqlite_world, other.id)
    await record_event(sqlite_store, an_event(other.id))

    claims = await sqlite_store.claim_deliveries(START, timedelta(minutes=1), 10)

    assert [one.webhook.id for one in claims] == [fine.id]
    waiting = raw(directory, "SELECT project_id FROM webhook_deliveries")
    assert waiting == [(str(other.id),)]
    ((status,),) = raw(directory, "SELECT last_status FROM webhooks WHERE id <> ?", str(fine.id))
    assert status == "gave_up"


async def test_what_an_edit_took_from_the_outbox_is_in_nobodys_way(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    await add(sqlite_world)
    await record_event(sqlite_store, an_event(sqlite_world.id))
    raw(directory, "DELETE FROM webhook_deliveries")

    assert await sqlite_store.claim_deliveries(START, timedelta(minutes=1), 10) == []
    assert raw(directory, "SELECT waiting, due_at FROM webhooks") == [(0, None)]


async def test_what_cannot_be_read_does_not_take_every_turn(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    await add(sqlite_world)
    for _ in range(20):
        await record_event(sqlite_store, an_event(sqlite_world.id))
    raw(directory, "UPDATE events SET kind = 'of.a.newer.program'")
    other = await sqlite_world.add_project("beta")
    fine = await add(sqlite_world, other.id)
    later = START + timedelta(seconds=1)
    await record_event(sqlite_store, an_event(other.id, at=later))
    now = later + timedelta(seconds=1)

    claims = await sqlite_store.claim_deliveries(now, timedelta(minutes=1), 2)

    assert [one.webhook.id for one in claims] == [fine.id]


async def test_a_look_costs_the_same_however_many_rest_or_are_claimed(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path
) -> None:
    await add(sqlite_world)
    await record_event(sqlite_store, an_event(sqlite_world.id))
    ((project, _, *rest),) = raw(directory, "SELECT * FROM webhooks")
    for n in range(2000):
        put_back(directory, [project, f"{n:036}", *rest])
    raw(directory, "UPDATE webhooks SET held_until = due_at + 86400000000, claimed = id LIKE '%7'")
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    sqlite_store._reader.set_progress_handler(step, 10)
    claims = await sqlite_store.claim_deliveries(
        START + timedelta(hours=1), timedelta(minutes=1), 10
    )

    assert claims == ()
    assert steps < 10


async def test_the_count_of_what_waits_is_exact_whatever_happens(
    sqlite_world: World,
    sqlite_store: SqliteStore,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "MAX_WAITING", 5)
    monkeypatch.setattr(events, "KEPT", 12)
    world, dice = sqlite_world, random.Random(7)  # noqa: S311  which act is next
    hooks = [await add(world) for _ in range(3)]
    hooks.append(await add(world, kinds=(EventKind.EXPIRY_NEAR,)))
    done = event(Action.WEBHOOK_UPDATED, world.id, hooks[0].id)
    seen: set[object] = set()
    claims: list[Claimed] = []
    for _ in range(400):
        world.clock.pass_(seconds=dice.randrange(40))
        act = dice.choice(("happen", "happen", "claim", "settle", "settle", "release", "change"))
        if act == "happen":
            kind = dice.choice((EventKind.EXPIRY_NEAR, *[EventKind.VERDICT_CHANGED] * 9))
            await record_event(sqlite_store, an_event(world.id, kind=kind, at=world.clock()))
        elif act == "claim":
            lease = timedelta(seconds=60)
            claims += await sqlite_store.claim_deliveries(world.clock(), lease, 2)
        elif act == "change":
            hook = replace(dice.choice(hooks), disabled=dice.random() < 0.3)
            await sqlite_store.update_webhook(hook, None, None, done)
        elif claims:
            one = claims.pop(dice.randrange(len(claims)))
            if act == "release":
                await sqlite_store.release_delivery(one, world.clock())
                continue
            status = dice.choice(
                (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.GONE)
            )
            outcome = settled(status, dice.choice((0, 6)), 0, world.clock(), 0)
            await sqlite_store.settle_delivery(one, outcome)
            seen.add(outcome.status)
        kept = raw(directory, "SELECT waiting, due_at FROM webhooks ORDER BY id")
        counted = raw(directory, COUNTED)
        assert kept == counted
        seen |= {count for count, _ in counted}
    seen |= {one for (one,) in raw(directory, "SELECT last_status FROM webhooks")}

    assert seen >= {0, 5, *map(str, (DeliveryStatus.DELIVERED, DeliveryStatus.GAVE_UP))}


async def test_what_waits_of_an_event_that_is_no_longer_kept_is_not_counted(
    sqlite_world: World,
    sqlite_store: SqliteStore,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "KEPT", 3)
    hook = await add(sqlite_world, kinds=(EventKind.EXPIRY_NEAR,))
    for days in range(2):
        told = an_event(sqlite_world.id, kind=EventKind.EXPIRY_NEAR, at=START + timedelta(days))
        await record_event(sqlite_store, told)
    seen = []
    for _ in range(4):
        await record_event(sqlite_store, an_event(sqlite_world.id))
        (row,) = raw(directory, "SELECT waiting, due_at FROM webhooks WHERE id = ?", str(hook.id))
        assert [row] == raw(directory, COUNTED)
        seen.append(row[0])

    assert seen == [2, 1, 0, 0]
