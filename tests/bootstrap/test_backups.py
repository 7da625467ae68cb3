"""A backup holds everything, tells what it must be, and goes nowhere where a store is."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from regcred.adapters.sealing.manifest import decode
from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sqlite.copying import SqliteCopier
from regcred.bootstrap import audit_keeper
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.audit_pruning import AuditPruner
from regcred.bootstrap.backups import checking, making, placing
from regcred.bootstrap.state import open_state
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import SealBroken, StartRefused, StoreUnavailable
from regcred.settings import Settings
from tests.adapters.storage.samples import ALL_AUDIT, event
from tests.bootstrap.conftest import Place
from tests.bootstrap.filled import SECRET, Filled, add, edit, fill, in_thread
from tests.bootstrap.test_audit_keeper import rewritten
from tests.tools.inside import keeper_of
from tests.tools.programs import Finished


def made(done: Finished) -> Path:
    """Return the file of a backup that was made."""
    assert done.code == 0, done.text
    [line] = done.out.splitlines()
    return Path(line)


async def backed_up(place: Place) -> Path:
    return made(await in_thread(place, "backup", str(place.data.parent / "backups")))


async def checked(place: Place, backup: Path) -> Finished:
    return await in_thread(place, "restore", str(backup), "check")


async def wrong(place: Place, backup: Path) -> list[str]:
    """Return what a drill finds wrong."""
    done = await in_thread(place, "restore", str(backup), "check", "json")
    told = json.loads(done.out)
    assert done.code == (0 if told["ok"] else 1)
    assert told["ok"] == (not told["wrong"])
    assert SECRET not in done.text
    return list(told["wrong"])


# Making


async def test_a_backup_is_a_private_file_with_its_manifest_in_a_private_place(
    place: Place,
) -> None:
    await fill(place.settings)

    backup = await backed_up(place)

    files = sorted(backup.parent.iterdir())
    assert files == [backup, making.manifest_of(backup)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700
    told = json.loads(making.manifest_of(backup).read_text())
    assert told["file"] == backup.name
    assert told["schema"] == HEAD
    assert told["counts"]["credentials"] == 3
    assert told["audit"] == told["anchor"]
    assert told["audit"]["number"] == 6


async def test_two_backups_are_two_files(place: Place) -> None:
    await fill(place.settings)

    first, second = await backed_up(place), await backed_up(place)

    assert first != second
    assert not await wrong(place, first)
    assert not await wrong(place, second)


async def test_a_backup_told_as_json_is_one_document(place: Place) -> None:
    await fill(place.settings)

    done = await in_thread(place, "backup", str(place.data.parent / "b"), "json")

    told = json.loads(done.out)
    assert told["file"].startswith(str(place.data.parent / "b"))
    assert told["counts"]["credentials"] == 3
    assert "keep that elsewhere" in done.err


async def test_a_place_that_others_may_read_is_refused(place: Place, tmp_path: Path) -> None:
    await fill(place.settings)
    (tmp_path / "open").mkdir(mode=0o755)

    done = await in_thread(place, "backup", str(tmp_path / "open"))

    assert done.code == 1
    assert "chmod 700" in done.err
    assert list((tmp_path / "open").iterdir()) == []


async def test_no_store_is_no_backup(place: Place) -> None:
    done = await in_thread(place, "backup", str(place.data.parent / "b"))

    assert done.code == 1
    assert "holds no store" in done.err
    assert not (place.data.parent / "b").exists()


async def test_what_is_there_is_never_overwritten(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)
    monkeypatch.setattr(making, "_stamp", lambda _at: "now")
    first = await backed_up(place)
    before = first.read_bytes()

    again = await in_thread(place, "backup", str(first.parent))

    assert again.code == 1
    assert "never overwritten" in again.err
    assert first.read_bytes() == before
    assert len(list(first.parent.iterdir())) == 2


async def test_a_backup_that_fails_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)

    def full(_path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "sha256_of", full)

    done = await in_thread(place, "backup", str(place.data.parent / "b"))

    assert done.code == 1
    assert "No space left" in done.err
    assert list((place.data.parent / "b").iterdir()) == []


async def test_a_backup_whose_manifest_cannot_be_written_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "create_private", full)

    done = await in_thread(place, "backup", str(place.data.parent / "b"))

    assert done.code == 1
    assert list((place.data.parent / "b").iterdir()) == []


async def test_a_copy_that_the_database_refuses_is_unavailable(place: Place) -> None:
    await fill(place.settings)
    copier = SqliteCopier(place.settings.store_directory)

    with pytest.raises(StoreUnavailable):
        async with copier.copied(place.data / "missing" / "x"):
            pytest.fail("there is nothing to copy into")


async def test_a_copy_without_the_service_key_is_no_backup(place: Place, tmp_path: Path) -> None:
    await fill(place.settings)
    edit(place.settings, "DELETE FROM service_keys")

    async with SqliteCopier(place.settings.store_directory).copied(tmp_path / "x") as copy:
        with pytest.raises(SealBroken):
            await copy.service_key("service")


async def test_a_store_that_was_set_back_is_backed_up_and_said_to_be(place: Place) -> None:
    await fill(place.settings)
    edit(place.settings, "UPDATE audit_events SET mac = zeroblob(32) WHERE number = 2")

    done = await in_thread(place, "backup", str(place.data.parent / "b"))

    assert done.code == 1
    assert "WARNING: the store was set back or edited" in done.err
    found = await wrong(place, Path(done.out.strip()))
    assert "audit row 2 was edited" in found
    assert "the audit is not the one that was anchored at row 6" in found


# Checking


async def test_the_drill_opens_everything_and_says_so(place: Place) -> None:
    await fill(place.settings)
    backup = await backed_up(place)

    done = await checked(place, backup)

    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert ["secrets", "opened", "5"] in lines
    assert ["audit", "rows", "verified", "6"] in lines
    assert done.out.endswith("all of it opens\n")
    assert SECRET not in done.text


def _edit(statement: str) -> Callable[[Path], None]:
    def harm(backup: Path) -> None:
        with closing(sqlite3.connect(backup)) as file, file:
            file.execute(statement)

    return harm


def _manifest_says(**other: object) -> Callable[[Path], None]:
    def harm(backup: Path) -> None:
        path = making.manifest_of(backup)
        path.write_text(json.dumps({**json.loads(path.read_text()), **other}))

    return harm


def _cut(backup: Path) -> None:
    with backup.open("r+b") as file:
        file.truncate(backup.stat().st_size // 2)


def _no_database(backup: Path) -> None:
    backup.write_bytes(b"x" * backup.stat().st_size)


EDITED_FILE = "the file is not the one that its manifest tells of"
HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped secret": (
        _edit(
            "UPDATE credential_secrets SET sealed = zeroblob(length(sealed)) "
            "WHERE credential_id = (SELECT min(credential_id) FROM credential_secrets)"
        ),
        "password of {login} in project {project}: the stored secret does not open",
    ),
    "a flipped login": (
        _edit("UPDATE credential_logins SET place = 'us-1'"),
        "login of {login} in project {project}: the stored secret does not open",
    ),
    "a moved webhook": (
        _edit("UPDATE webhooks SET url = 'https://b.example'"),
        "webhook of {webhook} in project {project}: the stored secret does not open",
    ),
    "another user name": (
        _edit("UPDATE credentials SET username = 'other' WHERE number = 1"),
        "password of {login} in project {project}: the stored secret does not open",
    ),
    "settings that are none": (
        _edit("UPDATE credentials SET settings = '{' WHERE number = 1"),
        "password of {login} in project {project}: what it is bound to cannot be read",
    ),
    "a key that the ring has not": (
        _edit("UPDATE project_seeds SET kid = 'kek-other'"),
        "password of {login} in project {project}: the key ring lacks the key of its seed",
    ),
    "a seed that is gone": (
        _edit("DELETE FROM project_seeds"),
        "password of {login} in project {project}: its project's seed is gone",
    ),
    "a credential that is gone": (
        _edit("DELETE FROM credentials WHERE number = 1"),
        "a row of credential_secrets points at no row of credentials",
    ),
    "an edited audit row": (
        _edit("UPDATE audit_events SET principal = 'x' WHERE number = 3"),
        "audit row 3 was edited",
    ),
    "an audit row that is gone": (
        _edit("DELETE FROM audit_events WHERE number = 6"),
        "the audit does not end as the manifest says, at row 6",
    ),
    "an unsigned audit row": (
        _edit("UPDATE audit_events SET mac = x'' WHERE number = 4"),
        "audit row 4 was edited",
    ),
    "a file that was cut": (_cut, EDITED_FILE),
    "no database": (_no_database, "cannot be opened as a store (SQLITE_NOTADB)"),
    "another count": (_manifest_says(counts={}), "the manifest was edited"),
    "another file's digest": (_manifest_says(sha256="0" * 64), "the manifest was edited"),
    "another end of the audit": (
        _manifest_says(audit={"number": 5, "head": "0" * 64}),
        "the audit does not end as the manifest says, at row 5",
    ),
}


@pytest.mark.parametrize(("harm", "found"), HARMS.values(), ids=HARMS)
async def test_the_drill_finds_and_names_each_harm(
    place: Place, harm: Callable[[Path], None], found: str
) -> None:
    filled: Filled = await fill(place.settings)
    backup = await backed_up(place)
    harm(backup)

    told = await wrong(place, backup)

    ids = {
        "login": filled.credentials[0].id,
        "webhook": filled.webhook.id,
        "project": filled.project.id,
    }
    assert [text for text in told if found.format(**ids) in text], told


async def test_what_was_set_back_before_the_backup_is_told(place: Place) -> None:
    filled = await fill(place.settings)
    edit(place.settings, "CREATE TABLE kept AS SELECT * FROM webhooks")
    async with open_state(place.settings, exclusive=False) as state:
        project, webhook = filled.project.id, filled.webhook.id
        deleted = event(Action.WEBHOOK_DELETED, project, webhook, state.clock())
        await state.store.delete_webhook(project, webhook, None, deleted)
    edit(place.settings, "INSERT INTO webhooks SELECT * FROM kept", "DROP TABLE kept")
    backup = await backed_up(place)

    [told] = await wrong(place, backup)

    assert told.endswith("1 of its webhooks were deleted, and are there again")


async def test_rows_that_were_accepted_are_excused_and_those_edited_since_are_not(
    place: Place,
) -> None:
    await fill(place.settings)
    edit(place.settings, "UPDATE audit_events SET principal = 'nobody' WHERE number = 3")
    async with open_state(place.settings, exclusive=True) as state:
        await keeper_of(state).check(accept_rollback=True)
    accepted = await backed_up(place)
    edit(place.settings, "UPDATE audit_events SET principal = 'nobody' WHERE number = 4")
    edited = await backed_up(place)

    done = await in_thread(place, "restore", str(accepted), "check")

    assert done.code == 0, done.text
    assert await wrong(place, edited) == ["audit row 4 was edited"]


async def test_a_key_ring_that_lacks_its_keys_is_refused_and_named(
    place: Place, tmp_path: Path
) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    kid = json.loads(making.manifest_of(backup).read_text())["kids"][0]
    other = Place(tmp_path / "other", place.run)
    await in_thread(other, "init", data=other.data)

    done = await in_thread(other, "restore", str(backup), "check", data=other.data)

    assert done.code == 1
    assert done.out == ""
    assert kid in done.err


async def test_a_key_of_the_same_name_that_is_not_the_one_is_refused(
    place: Place, tmp_path: Path
) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    other = Place(tmp_path / "other", place.run)
    await in_thread(other, "init", data=other.data)
    kid = json.loads((other.data / "keys" / "keyring.json").read_text())["primary"]
    key = json.loads(making.manifest_of(backup).read_text())["service_key"]
    _manifest_says(kids=[kid], service_key={**key, "kid": kid})(backup)
    _edit(f"UPDATE service_keys SET kid = '{kid}'")(backup)  # noqa: S608  the ring's own id

    done = await in_thread(other, "restore", str(backup), "check", data=other.data)

    assert done.code == 1
    assert "the key ring does not open this store" in done.text


NO_BACKUPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda backup: making.manifest_of(backup).unlink(), "is not beside it"),
    "no file": (lambda backup: backup.unlink(), "there is no backup at"),
    "no manifest's text": (lambda backup: making.manifest_of(backup).write_text("{}"), "damaged"),
    "another release's": (_manifest_says(format=3), "a format that this release cannot read"),
    "another database's": (
        _manifest_says(engine="postgresql"),
        "one of postgresql: name an empty one with --database",
    ),
}


@pytest.mark.parametrize(("harm", "said"), NO_BACKUPS.values(), ids=NO_BACKUPS)
async def test_what_is_no_backup_is_refused(
    place: Place, harm: Callable[[Path], object], said: str
) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    harm(backup)

    done = await checked(place, backup)

    assert done.code == 1
    assert done.out == ""
    assert said in done.err
    assert "Traceback" not in done.err


async def test_a_backup_of_a_newer_schema_is_refused(place: Place) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    _edit("UPDATE alembic_version SET version_num = '9999'")(backup)

    told = await wrong(place, backup)

    assert any("newer than this program's" in text for text in told)


# Trying a dump: it is a program, which runs as the database's owner


async def dumped(place: Place) -> tuple[Settings, Path]:
    """Return a backup that is told to be a dump, and where it would be tried."""
    backup = await backed_up(place)
    path = making.manifest_of(backup)
    async with open_state(place.settings, exclusive=False) as state:
        manifest = decode(path.read_bytes())[0]._replace(engine="postgresql")
        path.write_bytes(state.keys.manifests.encode(manifest))
    return place.settings.model_copy(update={"database": "postgresql://u@h/n"}), backup


async def test_an_edited_dump_whose_manifest_agrees_is_never_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)
    settings, backup = await dumped(place)
    run: list[Path] = []
    monkeypatch.setattr(checking, "restored", lambda _, dump: run.append(dump))
    with backup.open("ab") as file:
        file.write(b"; DROP")
    size, sha256 = backup.stat().st_size, making.sha256_of(backup)
    _manifest_says(size=size, sha256=sha256)(backup)

    report = await checking.check(settings, backup)

    assert run == []
    assert report.wrong[0].startswith("the manifest was edited")
    assert "nothing of it was restored" in report.wrong[1]


async def test_a_dump_that_is_exchanged_after_it_was_compared_is_not_what_runs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)
    settings, backup = await dumped(place)
    run, compared = list[bytes](), backup.read_bytes()

    def exchanged(_: Settings, dump: Path) -> None:
        backup.write_bytes(b"DROP")
        run.append(dump.read_bytes())
        raise StoreUnavailable("tried")

    monkeypatch.setattr(checking, "restored", exchanged)

    with pytest.raises(StoreUnavailable, match="tried"):
        await checking.check(settings, backup)

    assert run == [compared]


# Putting it in place


async def test_a_restored_store_serves_what_it_held(place: Place) -> None:
    filled = await fill(place.settings)
    backup = await backed_up(place)
    place.settings.store_directory.rename(place.data / "away")

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 0, done.text
    assert "as new as its anchor says" in done.err
    database = place.settings.store_directory / "regcred.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    async with open_state(place.settings, exclusive=True) as state:
        await keeper_of(state).check(accept_rollback=False)
        found = await state.store.find_credential(filled.project.id, "login-2")
    assert found == filled.credentials[2]


async def test_a_restored_store_that_is_older_says_what_its_start_needs(place: Place) -> None:
    filled = await fill(place.settings)
    backup = await backed_up(place)
    async with open_state(place.settings, exclusive=True) as state:
        await add(state, filled.project, "later")
        keeper = keeper_of(state)
        await keeper.link()
    place.settings.store_directory.rename(place.data / "away")

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 0
    assert "--accept-rollback, once" in done.err
    async with open_state(place.settings, exclusive=True) as state:
        keeper = keeper_of(state)
        with pytest.raises(StartRefused, match="older than its anchor"):
            await keeper.check(accept_rollback=False)
        await keeper.check(accept_rollback=True)
        [newest] = await state.store.list_audit(NO_PROJECT, ALL_AUDIT, 0, 1)
    assert newest.event.action is Action.ROLLBACK_ACCEPTED


async def test_without_an_anchor_the_next_start_makes_one(place: Place) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    place.settings.store_directory.rename(place.data / "away")
    place.settings.anchor_file.unlink()

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 0
    assert "There is no anchor" in done.err


async def test_beside_a_damaged_anchor_it_says_that_the_next_start_refuses(place: Place) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    place.settings.store_directory.rename(place.data / "away")
    place.settings.anchor_file.write_text("x")

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 0
    assert "restored. The next start refuses: the audit anchor" in done.err


async def test_an_anchor_that_was_not_signed_yet_is_compared_with(place: Place) -> None:
    await fill(place.settings)
    file = place.settings.anchor_file
    rewritten(file, version=1, mac=None)
    backup = await backed_up(place)
    scrubbed = await in_thread(place, "scrub")
    rewritten(file, head="ab" * 32)

    assert (await checked(place, backup)).code == 0
    assert scrubbed.code == 0
    assert (await in_thread(place, "backup", str(place.data / "more"))).code == 1
    assert (
        "WRONG: the audit is not the one that was anchored" in (await in_thread(place, "scrub")).out
    )


@pytest.mark.parametrize("beside", ["", "-wal", "-journal"])
async def test_where_a_store_is_nothing_is_restored(place: Place, beside: str) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    database = place.settings.store_directory / "regcred.db"
    if beside:
        database.rename(database.with_name(database.name + beside))
    before = {file.name: file.read_bytes() for file in place.settings.store_directory.iterdir()}

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 1
    assert "holds a store, which is never replaced" in done.err
    after = {file.name: file.read_bytes() for file in place.settings.store_directory.iterdir()}
    assert after == before


async def test_a_backup_with_something_wrong_is_put_nowhere(place: Place) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    _edit("UPDATE credential_secrets SET sealed = x'00'")(backup)
    shutil.rmtree(place.settings.store_directory)

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 1
    assert "WRONG: password of " in done.out
    assert "nothing was put in place" in done.err
    assert not place.settings.store_directory.exists()


async def test_a_backup_that_changes_meanwhile_is_put_nowhere(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    shutil.rmtree(place.settings.store_directory)
    monkeypatch.setattr(placing, "sha256_of", lambda _path: "0" * 64)

    done = await in_thread(place, "restore", str(backup))

    assert done.code == 1
    assert "changed while it was restored" in done.err
    assert (place.settings.store_directory / "regcred.db").stat().st_size == 0


async def test_many_findings_are_counted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(place.settings)
    backup = await backed_up(place)
    _edit("UPDATE credential_secrets SET sealed = x'00'")(backup)
    monkeypatch.setattr("regcred.bootstrap.commands.backups._MOST", 1)

    done = await checked(place, backup)

    lines = [line for line in done.out.splitlines() if line.startswith("WRONG")]
    assert len(lines) == 2
    assert lines[1] == "WRONG: and 3 more"


async def test_a_store_whose_audit_was_pruned_is_backed_up_and_checked_like_any(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_keeper, "CHECKPOINT_EVERY", 2)
    await fill(place.settings)
    async with open_state(place.settings, exclusive=True) as state:
        parts = (state.store, state.keys.audit_chain, state.anchor, state.clock)
        keeper = AuditKeeper(*parts)
        for _ in range(3):
            await state.store.record(event(Action.REGISTRY_PROBED, NO_PROJECT))
        await keeper.check(accept_rollback=False)
        await keeper.link()
        await AuditPruner(*parts, 1).turn(timedelta(0))
        await keeper.link()
        assert len(await state.store.macs_after(0, 100)) == 7
    backup = await backed_up(place)

    done = await checked(place, backup)

    assert done.code == 0, done.text
    assert re.search(r"audit rows verified +7$", done.out, re.MULTILINE)


async def test_an_anchor_elsewhere_is_used_and_must_have_its_place(
    place: Place, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "anchor.json"
    settings = place.settings.model_copy(update={"anchor": elsewhere})
    with pytest.raises(StartRefused, match=r"--anchor: .*elsewhere is not there"):
        async with open_state(settings, exclusive=True):
            pass
    elsewhere.parent.mkdir(mode=0o700)

    await fill(settings)

    assert elsewhere.exists()
    assert not (place.data / "keys" / "anchor.json").exists()
