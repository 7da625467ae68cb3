"""An older store is brought up to date with everything that is in it."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from regcred.adapters.storage.sqlite import SqliteStore, schema
from tests.adapters.storage.old_store import at_first_revision
from tests.adapters.storage.samples import START, Clock


async def test_the_first_revision_is_migrated_with_its_logins(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    at_first_revision(directory)
    assert schema.current_revision(directory) == "0001"

    schema.migrate(directory)

    assert schema.current_revision(directory) == schema.head_revision()
    clock = Clock(START + timedelta(days=1))
    with closing(SqliteStore.open(directory, clock=clock)) as store:
        project = await store.find_project(1)
        login = await store.find_credential(project.id, "login")
        secret = await store.sealed_secret(project.id, login.id)
    assert (project.name, login.username, secret.sealed) == ("old", "ada", b"\x01")


async def test_what_was_stored_before_is_checked_and_announced_like_the_rest(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "store"
    at_first_revision(directory)
    schema.migrate(directory)

    clock = Clock(START)
    with closing(SqliteStore.open(directory, clock=clock)) as store:
        project = await store.find_project(1)
        planned = [await store.plan_checks(clock(), 10) for _ in range(2)]
        due = await store.checks_due(clock() + timedelta(days=1))
        told = await store.claim_expiry_notices(clock(), 10)
        again = await store.claim_expiry_notices(clock(), 10)
    assert (project.recheck_every, planned, due) == (86_400, [(1, 1), None], 1)
    assert [event.details["days_left"] for event in told] == [10]
    assert again == []
