"""Hot reads that wait together: each is fresh, and each is answered by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Parameters
from regcred.adapters.storage.sqlite.store import SqliteStore
from regcred.domain.errors import StoreUnavailable
from regcred.domain.ports import ResolveQuestion, ResolveRead
from tests.adapters.storage.samples import HOST, World


def _rename(directory: Path, name: str) -> None:
    """Write as another process does."""
    with closing(sqlite3.connect(directory / "regcred.db")) as database, database:
        database.execute("UPDATE credentials SET name = ?", (name,))


def _names(read: ResolveRead) -> list[str]:
    return [candidate.name for candidate in read.candidates]


async def test_every_question_of_a_wave_gets_its_own_answer(sqlite_world: World) -> None:
    await sqlite_world.add("one", scopes=("r.example/one",))
    await sqlite_world.add("two", scopes=("r.example/two",))
    read = sqlite_world.store.read_for_resolve

    answers = await asyncio.gather(
        read(None, sqlite_world.id, HOST, "one"),
        read(None, sqlite_world.id, HOST, "two"),
        read("nobody", None, HOST, "one"),
    )

    assert list(map(_names, answers)) == [["one"], ["two"], []]


async def test_a_question_is_read_after_it_was_asked(sqlite_world: World, directory: Path) -> None:
    await sqlite_world.add("before", scopes=("r.example",))
    read = sqlite_world.store.read_for_resolve
    asked = asyncio.ensure_future(read(None, sqlite_world.id, HOST, "app"))
    _rename(directory, "meanwhile")

    assert _names(await asked) == ["meanwhile"]
    _rename(directory, "after")
    assert _names(await read(None, sqlite_world.id, HOST, "app")) == ["after"]


async def test_one_who_does_not_wait_any_more_takes_no_answer_away(sqlite_world: World) -> None:
    await sqlite_world.add("one", scopes=("r.example",))
    read = sqlite_world.store.read_for_resolve
    gone, stays = (asyncio.ensure_future(read(None, sqlite_world.id, HOST, "app")) for _ in "ab")
    await asyncio.sleep(0)
    gone.cancel()

    assert _names(await stays) == ["one"]


async def test_no_snapshot_outlives_its_wave(
    sqlite_store: SqliteStore, sqlite_world: World
) -> None:
    await sqlite_world.store.read_for_resolve(None, sqlite_world.id, HOST, "app")

    assert not sqlite_store._reader.in_transaction


async def test_a_store_that_does_not_read_is_told_to_everyone_who_waits(
    sqlite_store: SqliteStore, sqlite_world: World
) -> None:
    sqlite_store._reader.close()
    read = sqlite_world.store.read_for_resolve
    questions = [read(None, sqlite_world.id, HOST, "app") for _ in "ab"]

    answers = await asyncio.gather(*questions, return_exceptions=True)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2


async def test_a_crowd_of_logins_lets_others_run_between_its_reads(
    sqlite_store: SqliteStore, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await sqlite_world.add_key()
    await asyncio.gather(*(sqlite_world.add(f"c{n}", "r.example") for n in range(100)))
    found = []

    async def counted(statement: str, parameters: Parameters) -> list[Row]:
        rows = sqlite_store._reader.execute(statement, parameters).fetchall()
        found.append(len(rows))
        return rows

    monkeypatch.setattr(sqlite_store, "_all", counted)
    questions = [ResolveQuestion(key.id, None, HOST, f"app{n % 12}") for n in range(24)]
    reads = asyncio.ensure_future(sqlite_store.read_for_resolves(questions))
    turns = 0
    while not reads.done():
        await asyncio.sleep(0)
        assert not sqlite_store._reader.in_transaction
        turns += 1

    newest = [f"c{n}" for n in range(99, 35, -1)]
    assert [_names(read) for read in await reads if isinstance(read, ResolveRead)] == [newest] * 24
    together, alone = found[:2], found[2:]
    assert (together[0], alone) == (1, [64] * 12), "what is not handed out is not read"
    assert turns >= 3
