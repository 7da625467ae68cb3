"""Whoever writes to the database without a key is found out, at the next start or before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.bootstrap import audit_keeper, audit_walk
from regcred.bootstrap.beside import beside
from regcred.bootstrap.service import _kept
from regcred.bootstrap.set_back import set_back
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import StoreUnavailable
from regcred.domain.ports import StoredCluster
from regcred.domain.webhook import Webhook
from tests.adapters.storage.samples import STAMP, START, event, new_id, sealed, stored
from tests.bootstrap.test_audit_keeper import (
    Place,
    _secret_back,
    linked,
    made,
    refusal,
    world_of,
)
from tests.tools.programs import until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return made(tmp_path)


async def _written(place: Place) -> None:
    """Write a few rows, anchor them, and stop as a killed process does: some are not anchored."""
    with place.start() as keeper:
        world = await world_of(keeper)
        for name in ("one", "two", "three"):
            await world.add(name)
        await keeper.link()
        await world.add("four")
        await world.add("five")


def _edited(statement: str) -> Callable[[Place], Any]:
    """Return a harm that is one statement. Of six audit rows, four are anchored."""

    async def harm(place: Place) -> None:
        await _written(place)
        place.edit(statement)

    return harm


async def _credential_back(place: Place) -> None:
    """Put a deleted credential's rows back."""
    tables = ("credentials", "credential_secrets", "credential_scopes")
    with place.start() as keeper:
        world = await world_of(keeper)
        login = await world.add()
        place.edit(*(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in tables))  # noqa: S608  the names above
        deleted = event(Action.CREDENTIAL_DELETED, world.id, login.id)
        await keeper.store.delete_credential(world.id, login.id, None, deleted)
        await keeper.link()
    place.edit(*(f"INSERT INTO {table} SELECT * FROM kept_{table}" for table in tables))  # noqa: S608  the names above
    place.edit(*(f"DROP TABLE kept_{table}" for table in tables))


async def _older_key_back(place: Place) -> None:
    """Put a key's row back to before it was disabled."""
    with place.start() as keeper:
        world = await world_of(keeper)
        key = await world.add_key()
        place.edit("CREATE TABLE kept AS SELECT * FROM api_keys")
        changed = replace(key, disabled=True, version=2)
        done = event(Action.KEY_UPDATED, world.id, key.id, secret_version=2)
        await keeper.store.update_key(stored(changed), 1, done)
        await keeper.link()
    place.edit("INSERT OR REPLACE INTO api_keys SELECT * FROM kept", "DROP TABLE kept")


async def _cluster_back(place: Place) -> None:
    """Put a cluster's row back to before its keys were changed."""
    with place.start() as keeper:
        world = await world_of(keeper)
        cluster = await world.add_cluster()
        place.edit("CREATE TABLE kept AS SELECT * FROM clusters")
        done = event(Action.CLUSTER_UPDATED, NO_PROJECT, cluster.id, secret_version=2)
        await keeper.store.update_cluster(StoredCluster(cluster, STAMP), 1, done)
        await keeper.link()
    place.edit("INSERT OR REPLACE INTO clusters SELECT * FROM kept", "DROP TABLE kept")


async def _pod_back(place: Place, kind: str) -> None:
    """Put the row of a deleted cluster or of a withdrawn workload back."""
    with place.start() as keeper:
        world = await world_of(keeper)
        cluster = await world.add_cluster()
        store, table = keeper.store, f"{kind}s"
        if kind == "workload":
            workload = await world.add_workload(cluster)
            place.edit("CREATE TABLE kept AS SELECT * FROM workloads")
            gone = event(Action.WORKLOAD_DELETED, world.id, workload.id)
            await store.delete_workload(world.id, workload.id, gone)
        else:
            place.edit("CREATE TABLE kept AS SELECT * FROM clusters")
            gone = event(Action.CLUSTER_DELETED, NO_PROJECT, cluster.id)
            await store.delete_cluster(cluster.name, None, gone)
        await keeper.link()
    place.edit(f"INSERT INTO {table} SELECT * FROM kept", "DROP TABLE kept")  # noqa: S608  the names above


async def _webhook_back(place: Place, action: Action) -> None:
    """Put a webhook's row back to before it was moved, or deleted."""
    with place.start() as keeper:
        world = await world_of(keeper)
        made = Webhook(new_id(), world.id, "https://a.example", START, START)
        done = event(Action.WEBHOOK_CREATED, world.id, made.id, secret_version=1)
        await keeper.store.create_webhook(made, sealed(), done)
        place.edit("CREATE TABLE kept AS SELECT * FROM webhooks")
        done = event(action, world.id, made.id, secret_version=2)
        if action is Action.WEBHOOK_DELETED:
            await keeper.store.delete_webhook(world.id, made.id, None, done)
        else:
            await keeper.store.update_webhook(made, None, sealed(2), done)
        await keeper.link()
    place.edit("INSERT OR REPLACE INTO webhooks SELECT * FROM kept", "DROP TABLE kept")


async def _acceptance_forged(place: Place) -> None:
    """Put a secret back, and write that it was accepted."""
    await _secret_back(place)
    place.edit(
        "INSERT INTO audit_events SELECT number + 1, at, project_id, 'store.rollback_accepted', "
        "principal, target, NULL, '', '', 1, '', '{}', zeroblob(32) FROM audit_events "
        "ORDER BY number DESC LIMIT 1"
    )


async def _version_edited(place: Place) -> None:
    """Put a secret back, and the audit's word of it."""
    await _secret_back(place)
    place.edit("UPDATE audit_events SET secret_version = 1")


async def _undeciding(place: Place) -> None:
    """Write rows, the seventh of which decides nothing, and anchor all of them; then edit it."""
    await _written(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await keeper.store.record(event(Action.REGISTRY_PROBED, NO_PROJECT))
        await keeper.link()
    place.edit("UPDATE audit_events SET principal = 'nobody' WHERE number = 7")


async def _seen_edited(place: Place) -> None:
    """Edit a row that decides nothing; the service walks its audit, sees it and stops."""
    await _undeciding(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await keeper.verify_all()
        await keeper.link()


async def _seen_missing(place: Place) -> None:
    """Take the newest row away under a running service."""
    with place.start() as keeper:
        world = await world_of(keeper)
        await keeper.link()
        await world.add("one")
        place.edit("DELETE FROM audit_events WHERE number = 2")
        await world.add("two")
        await keeper.link()


HARMS: dict[str, tuple[Callable[[Place], Any], str]] = {
    "a credential": (_credential_back, "1 of its credentials were deleted, and are there again"),
    "a moved webhook": (
        partial(_webhook_back, action=Action.WEBHOOK_UPDATED),
        "1 of its webhooks are older than its audit says",
    ),
    "a moved cluster": (_cluster_back, "1 of its clusters are older than its audit says"),
    "a cluster": (
        partial(_pod_back, kind="cluster"),
        "1 of its clusters or workloads were deleted, and are there again",
    ),
    "a workload": (
        partial(_pod_back, kind="workload"),
        "1 of its clusters or workloads were deleted, and are there again",
    ),
    "a webhook": (
        partial(_webhook_back, action=Action.WEBHOOK_DELETED),
        "1 of its webhooks were deleted, and are there again",
    ),
    "a changed key": (_older_key_back, "1 of its keys are older than its audit says"),
    "an anchored row": (
        _edited("DELETE FROM audit_events WHERE number = 2"),
        "its audit is not the one that was anchored",
    ),
    "the anchored row": (
        _edited("DELETE FROM audit_events WHERE number = 4"),
        "its audit is not the one that was anchored",
    ),
    "two rows' order": (
        _edited(
            "UPDATE audit_events SET mac = (SELECT o.mac FROM audit_events o "
            "WHERE o.number = 5 - audit_events.number) WHERE number IN (2, 3)"
        ),
        "its audit is not the one that was anchored",
    ),
    "a row that is not anchored": (
        _edited("DELETE FROM audit_events WHERE number = 5"),
        "row 5 of its audit is missing",
    ),
    "a row that is not anchored, edited": (
        _edited("UPDATE audit_events SET peer = 'x' WHERE number = 6"),
        "row 6 of its audit was edited",
    ),
    "a row that decides, edited": (
        _edited("UPDATE audit_events SET secret_version = 9 WHERE number = 3"),
        "row 3 of its audit was edited",
    ),
    "a secret, with an acceptance": (_acceptance_forged, "row 4 of its audit was edited"),
    "a secret, and the audit with it": (_version_edited, "row 1 of its audit was edited"),
    "any row, seen edited": (_seen_edited, "row 7 of its audit was edited"),
    "any row, seen missing": (_seen_missing, "row 2 of its audit is missing"),
}


@pytest.mark.parametrize(("harm", "found"), HARMS.values(), ids=HARMS)
async def test_it_refuses_the_start_until_it_is_accepted(
    place: Place, harm: Callable[[Place], Any], found: str
) -> None:
    await harm(place)
    before = place.anchor.load()

    for _ in range(2):
        with place.start() as refused:
            assert found in await refusal(refused)
    assert place.anchor.load() == before
    with place.start() as accepting:
        await accepting.check(accept_rollback=True)
        await linked(accepting)
    with place.start() as next_one:
        await next_one.check(accept_rollback=False)
        await next_one.link()
        await linked(next_one)


async def test_rows_that_an_older_service_left_without_an_anchor_are_loud(place: Place) -> None:
    await _written(place)
    (place.keys / "anchor.json").unlink()

    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        await keeper.link()
        await linked(keeper)

    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("the audit has no anchor", "warning")
    ]


async def test_a_new_store_without_an_anchor_is_as_it_should_be(place: Place) -> None:
    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)

    assert logs == []


async def test_what_was_seen_edited_and_is_whole_again_starts(place: Place) -> None:
    await _seen_edited(place)
    place.edit("UPDATE audit_events SET principal = 'key:tester' WHERE number = 7")

    for edited in (7, 0):
        anchored = place.anchor.load()
        assert anchored is not None
        assert anchored.edited == edited
        with place.start() as keeper:
            await keeper.check(accept_rollback=False)
            await keeper.link()


async def test_an_accepted_edit_stays_loud_and_refuses_no_more(place: Place) -> None:
    await _seen_edited(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=True)
    for _ in range(2):
        with place.start() as keeper, capture_logs() as logs:
            await keeper.check(accept_rollback=False)
            await keeper.verify_all()
            await keeper.link()
        assert [(line["event"], line["reason"]) for line in logs] == [
            ("the audit was edited", "row 7")
        ]


async def test_an_edited_row_is_found_beside_a_running_service(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_walk, "AT_ONCE", 2)
    await _undeciding(place)

    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        async with _kept(keeper):
            await until(lambda: bool(logs))

    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("the audit was edited", "error")
    ]
    anchored = place.anchor.load()
    assert anchored is not None
    assert (anchored.upto, anchored.edited) == (7, 7)


@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("UPDATE audit_events SET principal = 'nobody' WHERE number = 2", "row 2"),
        ("DELETE FROM audit_events WHERE number = 2", "row 2 is missing"),
        ("UPDATE audit_events SET mac = zeroblob(32) WHERE number = 2", "row 2"),
    ],
)
async def test_an_edit_long_after_the_start_is_found_by_the_process_whose_turn_it_is(
    place: Place, monkeypatch: pytest.MonkeyPatch, harm: str, told: str, *, mine: bool
) -> None:
    await _written(place)
    turns = 0

    async def turn() -> bool:
        nonlocal turns
        turns += 1
        return mine

    def reasons() -> list[str]:
        return [line["reason"] for line in logs]

    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        await keeper.verify_all()
        monkeypatch.setattr(audit_keeper, "ROUND_EVERY", 0)
        monkeypatch.setattr(audit_keeper, "ROUND_PAUSE", 0)
        keeper.mine = turn
        async with beside(keeper._rounds()):
            await until(lambda: turns > 2)
            assert logs == []
            place.edit(harm)
            seen = turns
            # A walk that is past the row when it is edited may tell of where it leads first.
            await until(lambda: told in reasons() if mine else turns > seen + 2)

    assert {line["event"] for line in logs} == ({"the audit was edited"} if mine else set())
    assert keeper.edited is mine


async def test_a_walk_that_cannot_read_is_loud_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    await _written(place)
    place.edit("ALTER TABLE audit_events RENAME COLUMN peer TO other")

    with place.start() as keeper, capture_logs() as logs:
        walk = asyncio.create_task(keeper.verify_all())
        await until(lambda: bool(logs))
        place.edit("ALTER TABLE audit_events RENAME COLUMN other TO peer")
        await walk

    assert {(line["event"], line["error"]) for line in logs} == {
        ("the audit cannot be verified", "StoreUnavailable")
    }


async def test_a_walk_whose_last_rows_vanish_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_walk, "AT_ONCE", 2)
    await _written(place)

    with place.start() as keeper:
        walk = asyncio.create_task(keeper.verify_all())
        await asyncio.sleep(0)  # the first slice
        place.edit("DELETE FROM audit_events WHERE number > 2")
        async with asyncio.timeout(10):
            await walk


async def test_a_store_set_back_under_a_running_service_is_loud(
    place: Place,
) -> None:
    with place.start() as keeper:
        await world_of(keeper)
        await keeper.link()
        place.edit("DELETE FROM audit_events")

        assert await set_back(keeper.store, 1) == "its audit is older than its anchor"


# What is put back or taken away without a word


async def _project_back(place: Place, tables: tuple[str, ...]) -> None:
    """Put a deleted project back, or what went with it."""
    with place.start() as keeper:
        world = await world_of(keeper)
        await world.add_key()
        place.edit(*(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in tables))  # noqa: S608  the names below
        deleted = event(Action.PROJECT_DELETED, world.id, world.id)
        await keeper.store.delete_project(world.id, None, deleted)
        await keeper.link()
    place.edit(
        *(f"INSERT INTO {table} SELECT * FROM kept_{table}" for table in tables),  # noqa: S608  the names below
        *(f"DROP TABLE kept_{table}" for table in tables),
    )


async def _taken(place: Place, statement: str) -> None:
    with place.start() as keeper:
        world = await world_of(keeper)
        await world.add()
        await world.add_key()
        await world.add_cluster()
        await keeper.link()
    place.edit(statement)


BACK = "1 of its projects were deleted, and are there again"
GONE = "1 of its logins, keys, webhooks or clusters are gone, and were not deleted"
WORDLESS: dict[str, tuple[Callable[[Place], Any], str]] = {
    "a project": (partial(_project_back, tables=("projects",)), BACK),
    "a project's keys": (partial(_project_back, tables=("api_keys",)), BACK),
    "a table of logins": (partial(_taken, statement="DELETE FROM credentials"), GONE),
    "a table of keys": (partial(_taken, statement="DELETE FROM api_keys"), GONE),
    "a table of clusters": (partial(_taken, statement="DELETE FROM clusters"), GONE),
    "a table of projects": (
        partial(_taken, statement="DELETE FROM projects"),
        "1 of its projects are gone, and were not deleted",
    ),
}


@pytest.mark.parametrize(("harm", "found"), WORDLESS.values(), ids=WORDLESS)
async def test_what_came_or_went_without_a_word_refuses_the_start(
    place: Place, harm: Callable[[Place], Any], found: str
) -> None:
    await harm(place)

    with place.start() as refused:
        assert found in await refusal(refused)
    with place.start() as accepting:
        await accepting.check(accept_rollback=True)
    with place.start() as next_one:
        await next_one.check(accept_rollback=False)


async def test_a_project_that_went_with_all_it_had_is_no_finding(place: Place) -> None:
    with place.start() as keeper:
        world = await world_of(keeper)
        await world.add_key()
        deleted = event(Action.PROJECT_DELETED, world.id, world.id)
        await keeper.store.delete_project(world.id, None, deleted)
        await keeper.link()
        await keeper.check(accept_rollback=False)


async def test_a_file_that_was_replaced_under_a_running_service_is_loud(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 1)
    database = place.store / "regcred.db"
    with place.start() as keeper, capture_logs() as logs:
        await world_of(keeper)
        await keeper.link()
        copy = database.with_name("copy")
        place.edit(f"VACUUM INTO '{copy}'")
        await keeper.store.check()
        copy.rename(database)
        async with _kept(keeper):
            await until(lambda: bool(logs))
        with pytest.raises(StoreUnavailable, match="was replaced"):
            await keeper.store.check()
        database.unlink()
        assert keeper.store.replaced()

    assert "its file was replaced while it is served" in logs[0]["reason"]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("content", [None, "damaged", "older"])
async def test_an_anchor_that_was_changed_under_a_running_service_is_loud_and_written_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, content: str | None, *, shared: bool
) -> None:
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    monkeypatch.setattr(SqliteStore, "shared", shared)
    file = place.keys / "anchor.json"
    with place.start() as keeper, capture_logs() as logs:
        await keeper.link()
        older = file.read_bytes()
        await world_of(keeper)
        await keeper.link()
        changed = older if content == "older" else b"{"
        file.unlink() if content is None else file.write_bytes(changed)
        async with _kept(keeper):
            await until(lambda: bool(logs))
        await linked(keeper)

    assert [line["event"] for line in logs] == ["the audit anchor was changed"]
    assert keeper.alarms.counts == {"rows": 0, "anchor": 1, "store": 0}
