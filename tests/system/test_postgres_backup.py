"""A PostgreSQL store is dumped beside its servers, and tried by restoring it whole."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regcred.adapters.storage.postgres import Address
from regcred.adapters.storage.postgres.copying import PostgresCopier, _connected, _run
from regcred.bootstrap.backups.making import sha256_of
from regcred.bootstrap.process import unwind_on_sigterm
from regcred.domain.errors import StartRefused
from regcred.domain.secret import Secret
from tests.system.test_postgres import IMAGE, on
from tests.tools.postgres import ADMINISTRATOR, Cluster
from tests.tools.programs import Finished
from tests.tools.service import Service

pytestmark = pytest.mark.system

SECRET = "correct horse battery"


class Place:
    """An installation on a database, and its operator's commands as other roles."""

    def __init__(self, database: Cluster, folder: Path) -> None:
        self.database = database
        self.service = on(database, folder / "service")
        self.service.init()
        self.folder = folder

    def run(self, command: str, *words: str, user: str, name: str = "regcred") -> Finished:
        where = ("--database", self.database.url(user, name))
        return self.service.run(command, *words, "--data", str(self.service.data), *where)

    def backup(self) -> Path:
        done = self.run("backup", str(self.folder / "backups"), user="backup")
        assert done.code == 0, done.text
        assert SECRET not in done.text
        assert "is not safe" not in done.err
        return Path(done.out.strip())


@pytest.fixture
def place(database: Cluster, tmp_path: Path) -> Iterator[Place]:
    place = Place(database, tmp_path)
    with place.service.serving(), place.service.api() as api:
        api.add("web", "registry.example.com/team", "robot", SECRET)
        yield place


def test_a_dump_beside_a_server_is_restored_tried_and_served(place: Place, tmp_path: Path) -> None:
    backup = place.backup()
    told = json.loads(backup.with_name(backup.name + ".json").read_text())
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert (told["engine"], told["counts"]["credentials"]) == ("postgresql", 1)
    assert told["audit"]["number"] >= told["anchor"]["number"] > 0
    place.database.make("restored")

    done = place.run("restore", str(backup), user="owner", name="restored")
    again = place.run("restore", str(backup), user="owner", name="restored")

    assert done.code == 0, done.text
    assert "secrets opened       1" in done.out
    assert again.code == 1
    assert "never replaced" in again.err
    other = Service(tmp_path / "other")
    other.env["REGCRED_DATABASE"] = place.database.url("app", "restored")
    other.env["REGCRED_KEYRING"] = str(place.service.data / "keys" / "keyring.json")
    other.env["REGCRED_ANCHOR"] = str(tmp_path / "anchor.json")
    other.key = place.service.key
    with other.serving(), other.api() as api:
        answer = api.ask("POST", "projects/-/resolve", IMAGE)
    assert [login["password"] for login in answer["logins"]] == [SECRET]


def test_what_does_not_fit_is_refused_and_leaves_nothing(place: Place) -> None:
    backup = place.backup()

    unnamed = place.service.run("restore", str(backup), "--data", str(place.service.data))
    unread = place.run("backup", str(place.folder / "more"), user="nobody")
    place.database.make("trial")
    mighty = place.run("restore", str(backup), user=ADMINISTRATOR, name="trial")
    with backup.open("ab") as file:
        file.write(b"x")
    edited = place.run("restore", str(backup), user="owner", name="trial")
    manifest = backup.with_name(backup.name + ".json")
    told = json.loads(manifest.read_text())
    agreed = {"size": backup.stat().st_size, "sha256": sha256_of(backup)}
    manifest.write_text(json.dumps({**told, **agreed}))
    agreeing = place.run("restore", str(backup), user="owner", name="trial")

    assert [done.code for done in (unnamed, unread, mighty, edited, agreeing)] == [1] * 5
    assert "--database holds a store, which is never replaced" in unnamed.err
    assert not (place.folder / "more").exists()
    assert "not restored as a superuser" in mighty.err
    assert "not the one that its manifest tells of" in edited.out
    assert "nothing of it was restored" in edited.out
    assert "the manifest was edited" in agreeing.out
    assert "nothing of it was restored" in agreeing.out
    assert "nothing was put in place" in edited.err
    assert (
        place.database.run_sql(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "trial"
        )
        == "0\n"
    )


async def test_a_user_who_may_not_read_everything_is_told_whom_to_take(
    database: Cluster, tmp_path: Path
) -> None:
    database.run_sql("CREATE ROLE stranger LOGIN")
    try:
        for user in ("app", "stranger"):
            copier = PostgresCopier(Address(database.url(user, "regcred")))
            with pytest.raises(StartRefused, match=r"in regcred_backup \(regcred_dump\)"):
                async with copier.copied(tmp_path / user):
                    pass
    finally:
        database.run_sql("DROP ROLE stranger")


def test_a_password_goes_by_a_private_file_that_is_gone_afterwards() -> None:
    address = Address("postgresql://u@h:1/n?sslmode=disable", Secret("a:b\\c"))

    with _connected(address) as where:
        file = Path(where.partition("passfile=")[2].replace("%2F", "/"))
        assert "a:b" not in where
        assert "sslmode=disable" in where
        assert file.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    assert not file.exists()


@pytest.mark.usefixtures("signal_handlers")
def test_sigterm_takes_the_program_and_its_password_file_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dumping"
    program.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/id\nsleep 0.3\nkill -TERM $PPID\nexec sleep 60\n"
    )
    program.chmod(0o700)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    unwind_on_sigterm()

    with pytest.raises(SystemExit) as ended:
        asyncio.run(_run(Address("postgresql://u@h:1/n", Secret("word")), str(program)))

    assert ended.value.code == 143
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "id").read_text()), 0)


async def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(StartRefused, match="pg_missing is not installed"):
        await _run(Address("postgresql://u@h:1/n"), "pg_missing")
