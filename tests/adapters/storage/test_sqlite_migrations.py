"""An older store is brought up to date with everything that is in it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.adapters.storage.sqlite.connection import connect
from regcred.adapters.storage.sqlite.place import DATABASE
from tests.adapters.storage.old_store import at_first_revision, at_revision
from tests.adapters.storage.samples import START, Clock, a_reveal

DAY = 86_400


async def test_the_first_revision_is_migrated_with_its_logins(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    at_first_revision(directory)
    assert schema.current_revision(directory) == "0001"

    schema.migrate(directory)

    assert schema.current_revision(directory) == HEAD
    clock = Clock(START + timedelta(days=1))
    with closing(SqliteStore.open(directory, clock=clock)) as store:
        project = await store.find_project(1)
        login = await store.find_credential(project.id, "login")
        secret = await store.sealed_secret(project.id, login.id)
    assert (project.name, login.username, secret.sealed) == ("old", "ada", b"\x01")


async def test_what_was_stored_before_is_checked_like_the_rest(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    at_first_revision(directory)
    schema.migrate(directory)

    clock = Clock(START)
    with closing(SqliteStore.open(directory, clock=clock)) as store:
        project = await store.find_project(1)
        planned = [await store.plan_checks(clock(), 10) for _ in range(2)]
        due = await store.checks_due(clock() + timedelta(days=1))
    assert (project.recheck_every, planned, due) == (86_400, [(1, 1), None], 1)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (-400, []),
        (-0.5, []),
        (0.5, [0]),
        (10, [7, 1, 0]),
        (29.5, [14, 7, 1, 0]),
        (40, [30, 14, 7, 1, 0]),
    ],
)
async def test_an_end_is_announced_from_the_upgrade_on_and_not_for_what_was_before(
    tmp_path: Path, left: float, told: list[int]
) -> None:
    """A migration runs by the database's own clock."""
    directory = tmp_path / "store"
    at_first_revision(directory)
    with closing(connect(directory / DATABASE)) as database:
        (now,) = database.execute("SELECT CAST(strftime('%s', 'now') AS INTEGER)").fetchone()
        database.execute("UPDATE credentials SET expires_at = ?", ((now + left * DAY) * 1_000_000,))
    schema.migrate(directory)

    upgraded = datetime.fromtimestamp(now, UTC)
    with closing(SqliteStore.open(directory, clock=Clock(upgraded))) as store:
        heard = [
            event.details["days_left"]
            for hours in range(0, 50 * 24, 6)
            for event in await store.claim_expiry_notices(upgraded + timedelta(hours=hours), 10)
        ]
    assert heard == told


@pytest.mark.parametrize("used", [None, START])
async def test_who_fetched_before_the_upgrade_is_said_to_be_missing(
    tmp_path: Path, used: datetime | None
) -> None:
    directory = tmp_path / "store"
    at_revision(directory, "0002")
    at = None if used is None else int(used.timestamp() * 1_000_000)
    with closing(connect(directory / DATABASE)) as database:
        database.execute("UPDATE credentials SET last_used_at = ?, last_used_by = 'key:k'", (at,))
    schema.migrate(directory)

    later = START + timedelta(days=1)
    with closing(SqliteStore.open(directory, clock=Clock(later))) as store:
        project = await store.find_project(1)
        login = await store.find_credential(project.id, "login")
        before = await store.list_fetches(project.id, login.id, None, None, 10)
        await store.record_reveal(a_reveal(project.id, login.id, at=later))
        (since,) = await store.list_fetches(project.id, login.id, None, None, 10)
        assert await store.fetches_lost_at(project.id, login.id) == used
    assert (login.last_used_at, before, since.last_at) == (used, [], later)
