"""Who writes to the database without the key ring gains nothing on the rows of keys.

Each claim edits the file beside the running service and then asks it, with a real key.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.domain.access import Role
from regcred.domain.registry import ImagePattern
from regcred.domain.token import RANDOM_BYTES, ApiToken
from tests.web.world import START, Reply, World, problem

RESOLVE = "/v1/projects/-/resolve"
IMAGE = "registry.example.com/team/app"

# Column -> what a writer would make of it in the row of a key that they hold.
EDITS: dict[str, str] = {
    "id": "'0000000000AB'",
    "project_id": "(SELECT id FROM projects WHERE number = 2)",
    "role": "'admin'",
    "operator": "1",
    "image_patterns": "''",
    "expires_at": "NULL",
    "disabled": "1",
    "digest": "zeroblob(32)",
    "stamp": "zeroblob(32)",
    "version": "version + 1",
}
# Reviewed: these decide nothing about what the key may do.
HARMLESS: dict[str, str] = {
    "name": "'another'",
    "created_at": "created_at - 1",
    "last_used_at": "1",
}


@dataclass
class Edited:
    """A service on an SQLite file, and the file."""

    world: World
    path: Path
    narrow: str = ""
    """The text of the writer's own key: a puller's, narrowed and with an end."""

    def set(self, assignment: str, key: ApiToken) -> None:
        """Change columns of that key's row."""
        self.edit(f"UPDATE api_keys SET {assignment} WHERE id = ?", key.id)  # noqa: S608  from the lists above

    def edit(self, statement: str, *parameters: object) -> None:
        """Change one row."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as database:
            assert database.execute(statement, parameters).rowcount == 1

    async def ask(self, text: str) -> list[Reply]:
        """Send what a key is worth: who it is, and what it is handed."""
        return [
            await self.world.send("GET", "/v1/whoami", key=text),
            await self.world.send("POST", RESOLVE, {"image": IMAGE}, key=text),
        ]

    async def refused(self, text: str) -> None:
        """Pass if the key is refused as broken everywhere, and the operator can see why."""
        for _ in range(2):
            with capture_logs() as logs:
                replies = await self.ask(text)

            assert [problem(reply) for reply in replies] == ["seal-broken"] * 2
            told = [line for line in logs if line["log_level"] == "error"]
            assert [line["error"] for line in told] == ["SealBroken"] * 2
            assert all("an API key" in line["reason"] for line in told)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("migrated")
    schema.migrate(directory)
    return (directory / "regcred.db").read_bytes()


@pytest.fixture
def stores() -> Iterator[list[SqliteStore]]:
    opened: list[SqliteStore] = []
    yield opened
    for store in opened:
        store.close()


@pytest.fixture
async def edited(tmp_path: Path, migrated: bytes, stores: list[SqliteStore]) -> Edited:
    directory = tmp_path / "store"
    directory.mkdir(mode=0o700)
    (directory / "regcred.db").write_bytes(migrated)

    def opened(clock: object) -> SqliteStore:
        stores.append(SqliteStore.open(directory, clock=clock))  # type: ignore[arg-type]  # the world's own
        return stores[-1]

    world = await World(opened).populate()
    await world.add()
    narrow = await world.make_key(
        world.home,
        Role.PULLER,
        image_patterns=(ImagePattern.parse("registry.example.com/team"),),
        expires_at=START + timedelta(days=1),
    )
    return Edited(world, directory / "regcred.db", narrow)


async def test_a_key_that_nobody_edited_is_known(edited: Edited) -> None:
    who, handed = await edited.ask(edited.narrow)

    assert (who.status_code, handed.status_code) == (200, 200)
    assert [login["username"] for login in handed.json()["logins"]] == ["robot"]


def test_every_column_is_on_one_of_the_lists(edited: Edited) -> None:
    with closing(sqlite3.connect(edited.path)) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(api_keys)")]

    assert sorted(columns) == sorted([*EDITS, *HARMLESS])


@pytest.mark.parametrize("column", sorted(EDITS.keys() - {"id", "digest"}))
@pytest.mark.parametrize("warm", [False, True])
async def test_an_edited_column_ends_the_key(edited: Edited, column: str, warm: bool) -> None:
    """Also when the service had just verified the row as it was."""
    if warm:
        await edited.ask(edited.narrow)
    edited.set(f"{column} = {EDITS[column]}", ApiToken.parse(edited.narrow))

    await edited.refused(edited.narrow)


@pytest.mark.parametrize("column", HARMLESS)
async def test_a_harmless_column_changes_nothing_that_the_key_may_do(
    edited: Edited, column: str
) -> None:
    edited.set(f"{column} = {HARMLESS[column]}", ApiToken.parse(edited.narrow))

    assert [reply.status_code for reply in await edited.ask(edited.narrow)] == [200, 200]


async def test_another_id_is_another_key(edited: Edited) -> None:
    own = ApiToken.parse(edited.narrow)
    edited.set(f"id = {EDITS['id']}", own)

    assert {problem(reply) for reply in await edited.ask(edited.narrow)} == {"not-authenticated"}
    await edited.refused(ApiToken("0000000000AB", own.secret).reveal())


async def test_another_digest_is_another_secret(edited: Edited) -> None:
    own = ApiToken.parse(edited.narrow)
    edited.set(f"digest = {EDITS['digest']}", own)

    assert {problem(reply) for reply in await edited.ask(edited.narrow)} == {"not-authenticated"}


@pytest.mark.parametrize("copied", ["digest", "digest, stamp"])
async def test_ones_own_digest_does_not_open_the_operators_row(edited: Edited, copied: str) -> None:
    own, operator = (
        ApiToken.parse(text) for text in (edited.narrow, edited.world.keys["operator"])
    )
    edited.edit(
        f"UPDATE api_keys SET ({copied}) = "  # noqa: S608  from the list above
        f"(SELECT {copied} FROM api_keys WHERE id = ?) WHERE id = ?",
        own.id,
        operator.id,
    )

    await edited.refused(ApiToken(operator.id, own.secret).reveal())


async def test_a_stamp_from_another_row_is_worth_nothing(edited: Edited) -> None:
    own, admin = (ApiToken.parse(text) for text in (edited.narrow, edited.world.keys["admin"]))
    edited.edit(
        "UPDATE api_keys SET (role, image_patterns, expires_at, stamp) ="
        " (SELECT role, image_patterns, expires_at, stamp FROM api_keys WHERE id = ?)"
        " WHERE id = ?",
        admin.id,
        own.id,
    )

    await edited.refused(edited.narrow)


async def test_a_disabled_key_is_not_woken(edited: Edited) -> None:
    own = ApiToken.parse(edited.narrow)
    path = f"/v1/projects/-/keys/{own.id}"
    await edited.world.send("PATCH", path, {"disabled": True})
    assert {problem(reply) for reply in await edited.ask(edited.narrow)} == {"not-authenticated"}

    edited.set("disabled = 0", own)

    await edited.refused(edited.narrow)


async def test_a_row_made_by_hand_opens_nothing(edited: Edited) -> None:
    """Not even with the digest of a secret that the service itself computed."""
    made = ApiToken.mint(os.urandom(RANDOM_BYTES))
    own = ApiToken.parse(edited.narrow)
    edited.edit(
        "INSERT INTO api_keys SELECT ?, project_id, name, 'admin', 1, '', NULL, 0, created_at,"
        " NULL, 1, digest, stamp FROM api_keys WHERE id = ?",
        made.id,
        own.id,
    )

    await edited.refused(ApiToken(made.id, own.secret).reveal())


@pytest.mark.parametrize("changes", [{"name": "new"}, {"disabled": False}])
async def test_a_change_does_not_make_an_edit_genuine(
    edited: Edited, changes: dict[str, object]
) -> None:
    own = ApiToken.parse(edited.narrow)
    edited.set("role = 'admin', image_patterns = ''", own)

    changed = await edited.world.send("PATCH", f"/v1/projects/-/keys/{own.id}", changes)

    assert problem(changed) == "seal-broken"
    await edited.refused(edited.narrow)


async def test_an_edited_key_can_still_be_revoked(edited: Edited) -> None:
    own = ApiToken.parse(edited.narrow)
    edited.set("role = 'admin'", own)

    gone = await edited.world.send("DELETE", f"/v1/projects/-/keys/{own.id}")

    assert gone.status_code == 204
    assert {problem(reply) for reply in await edited.ask(edited.narrow)} == {"not-authenticated"}


async def test_who_does_not_hold_the_secret_hears_nothing_of_an_edit(edited: Edited) -> None:
    own = ApiToken.parse(edited.narrow)
    edited.set("role = 'admin'", own)

    replies = await edited.ask(ApiToken(own.id, "0" * 43).reveal())

    assert {problem(reply) for reply in replies} == {"not-authenticated"}
