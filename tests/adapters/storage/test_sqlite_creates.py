"""What the embedded store makes of creates that wait for the same commit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.audit import Action
from regcred.domain.errors import StoreUnavailable
from tests.adapters.storage.samples import START, World
from tests.adapters.storage.test_sqlite_writer import held_up, turn

ELSEWHERE = UUID(int=7)
ROWS = (
    "SELECT number, check_at, check_failures, notice_at, version FROM credentials ORDER BY number",
    "SELECT number, lookup, path, scope, whole FROM credential_scopes ORDER BY number, scope",
    "SELECT number, label, value FROM credential_labels ORDER BY number, label",
    "SELECT secret_version, state, seed_generation FROM credential_secrets",
    "SELECT next_credential_number, credential_count FROM projects ORDER BY number",
)


async def together(world: World, store: SqliteStore, *creates: dict[str, Any]) -> list[Any]:
    """Return what came of creates that waited for one commit."""
    before = store.commits
    async with held_up(store):
        waiting = [asyncio.create_task(world.add(**create)) for create in creates]
        await turn()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert store.commits == before + 2
    return [getattr(outcome, "number", type(outcome).__name__) for outcome in outcomes]


async def test_each_gets_what_it_would_have_got_alone(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    beta = (await sqlite_world.add_project("beta")).id
    await sqlite_world.add("old")

    assert await together(
        sqlite_world,
        sqlite_store,
        {"name": "a"},
        {"name": "a", "project_id": beta},
        {"name": "old"},
        {"name": "a"},
        {"name": "b", "project_id": ELSEWHERE},
        {"name": "b"},
        {"name": "old", "project_id": beta},
    ) == [2, 1, "NameTaken", "NameTaken", "ProjectNotFound", 3, 2]
    assert await sqlite_world.names() == ["old", "a", "b"]
    assert await sqlite_world.actions(beta) == [
        Action.PROJECT_CREATED,
        Action.CREDENTIAL_CREATED,
        Action.CREDENTIAL_CREATED,
    ]
    assert await sqlite_store._all(ROWS[-1]) == [(4, 3), (3, 2)]


async def test_what_is_written_together_is_what_is_written_alone(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    ends = START + timedelta(days=40)
    creates: list[dict[str, Any]] = [
        {"name": f"c{n}", "labels": {"team": "shop", "n": str(n)}, "expires_at": ends}
        for n in range(7)
    ]
    await together(sqlite_world, sqlite_store, *creates)
    at_once = [await sqlite_store._all(rows) for rows in ROWS]
    for create in creates:
        await sqlite_world.add(**{**create, "name": f"alone-{create['name']}"})
    rows = [
        (await sqlite_store._all(rows))[-len(some) :]
        for rows, some in zip(ROWS, at_once, strict=True)
    ]

    assert [r[3:] for r in rows[0]] == [r[3:] for r in at_once[0]]
    for index in (1, 2):
        assert [r[1:] for r in rows[index]] == [r[1:] for r in at_once[index]]
    assert rows[3] == at_once[3]
    assert rows[4] == [(15, 14)]


async def test_more_than_one_statement_takes_are_all_written(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    creates = [{"name": f"c{n}"} for n in range(150)]

    assert await together(sqlite_world, sqlite_store, *creates) == list(range(1, 151))
    for table in ("credentials", "credential_secrets", "credential_scopes"):
        assert await sqlite_store._one(f"SELECT count(*) FROM {table}") == (150,)  # noqa: S608  constants alone


async def test_one_that_the_database_refuses_takes_no_other_along(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    await sqlite_store._write(
        lambda t: t.change(
            "CREATE TRIGGER refuse BEFORE INSERT ON credentials WHEN new.name = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    names = ("a", "bad", "b")

    assert await together(sqlite_world, sqlite_store, *({"name": name} for name in names)) == [
        1,
        "StoreUnavailable",
        2,
    ]
    assert await sqlite_world.names() == ["a", "b"]
    assert (await sqlite_world.actions()).count(Action.CREDENTIAL_CREATED) == 2
    with pytest.raises(StoreUnavailable):
        await sqlite_world.add("bad")
