"""The operator's commands: data on stdout, words on stderr, and a sentence for every refusal."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from regcred.adapters.storage.sqlite import schema
from regcred.adapters.storage.sqlite.place import ServingLock
from regcred.bootstrap import operator
from regcred.bootstrap.commands import migrations
from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.state import open_state
from regcred.bootstrap.waves import Wave
from regcred.domain.errors import StartRefused
from regcred.domain.token import ApiToken
from regcred.settings import Settings
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.lock_out import LockOut
from tests.adapters.storage.old_store import at_first_revision
from tests.bootstrap.conftest import Place
from tests.tools.programs import Finished

KEY = re.compile(r"rgc_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")

NO_STORE = "holds no store: name it with --database or --data, or run `regcred init`"


def refusal(done: Finished) -> str:
    """Return the one sentence with which a command was refused."""
    assert done.code == 1, done.text
    assert done.out == ""
    assert KEY.search(done.err) is None
    [line] = done.err.splitlines()
    return line


async def opens(place: Place, key: str) -> bool:
    """Whether the key is an operator's of this store."""
    async with open_state(place.settings, exclusive=False) as state:
        authenticate = Authenticate(
            state.store, state.digests, state.clock, LockOut(state.store, state.clock), Wave
        )
        return (await authenticate(key, request_id="r", peer="")).operator


# init


async def test_init_as_json_is_one_document_and_nothing_else(place: Place) -> None:
    done = await _in_thread(place, "init", "json")

    made = json.loads(done.out)
    assert done.code == 0
    assert done.err == ""
    assert made.keys() == {"project", "key"}
    assert made["project"].keys() == {"id", "number", "name"}
    assert (made["project"]["number"], made["project"]["name"]) == (1, "default")
    assert await opens(place, made["key"])


async def test_init_as_text_says_what_comes_next_on_stderr(place: Place) -> None:
    done = await _in_thread(place, "init")

    project, key = done.out.splitlines()
    assert done.code == 0
    assert re.fullmatch(r"project 1 \(default\)  [0-9a-f-]{36}", project)
    assert await opens(place, key.removeprefix("key     "))
    assert done.err == (f"The key is shown this once. Next: regcred serve --data {place.data}\n")


def test_init_twice_is_refused_and_leads_to_another_key(place: Place) -> None:
    place.run("init")
    before = _files(place.data)

    said = refusal(place.run("init", "json"))

    assert "is initialised already" in said
    assert "`regcred operator-key`" in said
    assert _files(place.data) == before


def test_init_leaves_the_anchor_of_another_store(place: Place) -> None:
    """Such as of a database on PostgreSQL, whose keys and anchor lie in the same folder."""
    place.run("init")
    before = place.settings.anchor_file.read_bytes()
    shutil.rmtree(place.settings.store_directory)
    place.settings.keyring_file.unlink()

    said = refusal(place.run("init"))

    assert "--database" in said
    assert place.settings.anchor_file.read_bytes() == before


def test_init_says_what_comes_next_with_the_options_that_it_was_given(
    place: Place, tmp_path: Path
) -> None:
    ring = str(tmp_path / "my keys" / "ring.json")

    assert f"--data {place.data} --keyring '{ring}'" in place.run("init", keyring=(ring,)).err


def test_the_options_that_are_said_again_hold_the_database() -> None:
    given = Settings(data=Path("d"), database="postgresql://u@h:1/n")

    assert operator._where(given) == "--data d --database postgresql://u@h:1/n"


def test_init_beside_a_server_is_refused(place: Place) -> None:
    place.run("init")
    with ServingLock(place.settings.store_directory):
        assert "another process serves from" in refusal(place.run("init"))


def test_init_puts_the_key_ring_where_it_is_told_to(place: Place, tmp_path: Path) -> None:
    ring = tmp_path / "elsewhere" / "ring.json"

    assert place.run("init", keyring=ring).code == 0

    assert ring.exists()
    assert not (place.data / "keys").exists()
    said = refusal(place.run("operator_key"))
    assert "key ring" in said


def test_a_key_ring_is_not_made_beside_a_store_that_lost_its_own(place: Place) -> None:
    place.run("init")
    place.settings.keyring_file.unlink()

    assert "there is no key ring" in refusal(place.run("operator_key"))
    assert not place.settings.keyring_file.exists()


def test_what_the_system_refuses_is_one_line_too(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = refusal(place.run("init", keyring=tmp_path / "file" / "keys" / "ring.json"))

    assert said.startswith("the system refuses it: ")
    assert str(tmp_path / "file" / "keys") in said


# operator-key


@pytest.mark.parametrize("output", ["text", "json"])
async def test_operator_key_makes_another_key_and_the_first_one_stays(
    place: Place, output: str
) -> None:
    first = json.loads((await _in_thread(place, "init", "json")).out)["key"]

    done = await _in_thread(place, "operator_key", output)

    second = json.loads(done.out)["key"] if output == "json" else done.out.removesuffix("\n")
    assert (done.code, done.err) == (0, "")
    assert ApiToken.parse(second).id != ApiToken.parse(first).id
    assert await opens(place, first)
    assert await opens(place, second)


def test_operator_key_without_a_store_is_refused_and_makes_none(place: Place) -> None:
    said = refusal(place.run("operator_key"))

    store = place.settings.store_directory
    assert said == f"{store} {NO_STORE}"
    assert not place.data.exists()


def test_operator_key_on_a_store_without_a_project_is_refused(place: Place) -> None:
    schema.migrate(place.settings.store_directory)

    assert refusal(place.run("operator_key")) == f"{place.data} {NO_STORE}"
    assert place.run("init").code == 0


def test_operator_key_works_beside_a_server(place: Place) -> None:
    place.run("init")
    with ServingLock(place.settings.store_directory):
        assert place.run("operator_key").code == 0


# migrate


def test_migrate_says_what_happened(place: Place) -> None:
    place.data.mkdir()
    at_first_revision(place.settings.store_directory)
    done, again = place.run("migrate"), place.run("migrate")

    assert (done.code, again.code) == (0, 0)
    assert re.fullmatch(r"schema 0001 -> \d{4}\n", done.err)
    assert re.fullmatch(r"schema \d{4}: current\n", again.err)
    assert done.out == again.out == ""


def test_migrate_says_where_it_put_walls_up_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run("init")
    monkeypatch.setattr(migrations, "fallen_walls", lambda _: ["events", "uses"])

    assert place.run("migrate").err.endswith(": current\nwalls put up anew on: events, uses\n")


def test_migrate_makes_no_store_in_a_mistyped_folder(place: Place) -> None:
    said = refusal(place.run("migrate"))

    store = place.settings.store_directory
    assert said == f"{store} holds no store to migrate: check --data and --database"
    assert not place.data.exists()


def test_migrate_beside_a_server_is_refused(place: Place) -> None:
    place.run("init")
    with ServingLock(place.settings.store_directory):
        assert "another process serves from" in refusal(place.run("migrate"))


@pytest.mark.parametrize("command", ["migrate", "init", "operator_key"])
def test_a_store_from_the_future_is_refused(place: Place, command: str) -> None:
    place.run("init")
    with closing(sqlite3.connect(place.settings.store_directory / "regcred.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")

    assert "newer than this program's" in refusal(place.run(command))


@pytest.mark.parametrize("command", ["migrate", "init", "operator_key", "serve"])
def test_a_file_that_is_no_store_is_refused(place: Place, command: str) -> None:
    place.settings.store_directory.mkdir(parents=True, mode=0o700)
    (place.settings.store_directory / "regcred.db").write_bytes(b"not a database " * 100)

    assert "restore a backup" in refusal(place.run(command))


# Options


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"port": 70000}, "--port"),
        ({"workers": 0}, "--workers"),
        ({"log_level": "loud"}, "--log-level"),
        ({"allow_networks": ("10.0.0.300/8",)}, "--allow-network"),
    ],
)
def test_a_bad_option_is_named_as_it_is_written(
    place: Place, given: dict[str, object], name: str
) -> None:
    done = place.run("serve", **given)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"{name}: ")
    assert len(done.err.splitlines()) == 1
    assert not place.data.exists()


def test_every_bad_option_is_named(place: Place) -> None:
    done = place.run("serve", port=-1, workers=0)

    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["--port", "--workers"]


def test_a_bad_variable_is_named_as_it_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGCRED_GRACE", "-1")

    done = place.run("init")

    assert done.code == 2
    assert done.err.startswith("REGCRED_GRACE: ")


# States


async def test_a_state_knows_whether_its_store_is_fresh(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        assert state.fresh
        made = await first_run(state)
        assert made.project.id.version == 7
    async with open_state(place.settings, exclusive=True) as state:
        assert not state.fresh


async def test_a_state_that_is_left_in_an_error_gives_the_lock_back(place: Place) -> None:
    for _ in range(2):
        with pytest.raises(StartRefused, match="this test says so"):
            async with open_state(place.settings, exclusive=True):
                raise StartRefused("this test says so")


def _files(data: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.suffix in {".json", ".db"}
    }


async def _in_thread(place: Place, command: str, *words: str) -> Finished:
    """Run a command, which has an event loop of its own, beside the test's."""
    return await asyncio.to_thread(place.run, command, *words)
