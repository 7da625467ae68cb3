"""A deleted secret leaves the files: no page and no log frame keeps it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.adapters.storage.sqlite.scrubbing import IDLE, LATEST, Scrubber
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.ports import SealedSecret
from tests.adapters.storage.samples import World, a_credential, event, seed

MANY = 40


def mark(n: int) -> bytes:
    return f"<<dead secret {n:04d}>>".encode()


def found(directory: Path) -> set[int]:
    """Return whose secret still stands somewhere in the store's files."""
    everything = b"".join(path.read_bytes() for path in directory.iterdir())
    return {n for n in range(MANY) if mark(n) in everything}


async def gone(directory: Path, expected: set[int]) -> None:
    """Wait until the files hold the expected secrets and no others; the test's time-out ends it."""
    while found(directory) != expected:  # noqa: ASYNC110  files ring no bell
        await asyncio.sleep(0.05)


async def fill(world: World) -> list[RegistryCredential]:
    stored = []
    for n in range(MANY):
        login = a_credential(world.id, f"c{n}")
        # Long enough for some to spill into overflow pages.
        secret = SealedSecret(1, seed("alpha"), mark(n) * (1 if n % 2 else 400))
        stored.append(await world.store.create_credential(login, secret, world.created(login)))
    return stored


async def test_deleted_and_replaced_secrets_are_wiped(sqlite_world: World, directory: Path) -> None:
    stored = await fill(sqlite_world)
    assert found(directory) == set(range(MANY))

    for login in stored[: MANY // 2]:
        deleted = event(Action.CREDENTIAL_DELETED, sqlite_world.id, login.id)
        await sqlite_world.store.delete_credential(sqlite_world.id, login.id, None, deleted)
    for login in stored[MANY // 2 : -1]:
        replaced = event(Action.CREDENTIAL_REPLACED, sqlite_world.id, login.id)
        await sqlite_world.store.update_credential(
            login, None, SealedSecret(2, seed("alpha"), b"new"), replaced
        )

    await gone(directory, {MANY - 1})


async def test_a_reader_in_the_way_only_postpones_it(sqlite_world: World, directory: Path) -> None:
    stored = await fill(sqlite_world)
    with closing(sqlite3.connect(directory / "regcred.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM credentials").fetchone()
        for login in stored:
            deleted = event(Action.CREDENTIAL_DELETED, sqlite_world.id, login.id)
            await sqlite_world.store.delete_credential(sqlite_world.id, login.id, None, deleted)
        await asyncio.sleep(2 * IDLE)
        assert found(directory) != set()
        await sqlite_world.add("writes go on meanwhile")
        reader.execute("COMMIT")

    await gone(directory, set())


async def test_a_deleted_projects_seed_is_wiped(sqlite_world: World, directory: Path) -> None:
    project = await sqlite_world.add_project("doomed-seed-of-a-project")
    files = directory.iterdir
    assert any(b"doomed-seed" in path.read_bytes() for path in files())

    renamed = replace(project, name="x")
    updated = event(Action.PROJECT_UPDATED, project.id)
    await sqlite_world.store.update_project(renamed, None, updated)
    await sqlite_world.store.delete_project(
        project.id, None, event(Action.PROJECT_DELETED, project.id)
    )

    while any(b"doomed-seed" in path.read_bytes() for path in files()):  # noqa: ASYNC110  files ring no bell
        await asyncio.sleep(0.05)


async def test_closing_wipes_at_once(sqlite_world: World, directory: Path) -> None:
    stored = await fill(sqlite_world)
    for login in stored:
        deleted = event(Action.CREDENTIAL_DELETED, sqlite_world.id, login.id)
        await sqlite_world.store.delete_credential(sqlite_world.id, login.id, None, deleted)
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    store.close()

    assert found(directory) == set()


def test_a_busy_writer_wipes_too() -> None:
    now = [0.0]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        scrubber = Scrubber(database, lambda: now[0])
        assert (scrubber.wait(), scrubber.due(idle=True)) == (None, False)
        scrubber.scrub()

        scrubber.wanted()
        now[0] = LATEST / 2
        scrubber.wanted()
        assert (scrubber.wait(), scrubber.due(idle=False), scrubber.due(idle=True)) == (
            IDLE,
            False,
            True,
        )
        now[0] = LATEST
        assert scrubber.due(idle=False)
        scrubber.scrub()
        assert not scrubber.due(idle=True)


def test_most_of_the_log_is_moved_before_it_is_cut_which_stops_other_writers(
    tmp_path: Path,
) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE some (secret)")
        database.execute("INSERT INTO some VALUES (?)", (mark(1),))
        moved = {}

        def look(statement: str) -> None:
            moved[statement.partition("_")[2]] = mark(1) in file.read_bytes()

        scrubber = Scrubber(database, lambda: 0.0)
        scrubber.wanted()
        database.set_trace_callback(look)
        scrubber.scrub()

    assert moved["checkpoint(PASSIVE)"] is False
    assert moved["checkpoint(TRUNCATE)"] is True


def test_a_failed_attempt_is_made_again() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    scrubber = Scrubber(database, lambda: 5.0)
    scrubber.wanted()
    database.close()
    scrubber.scrub()

    assert scrubber.due(idle=True)
