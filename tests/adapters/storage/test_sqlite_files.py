"""Where the embedded store lives and how it is opened: nothing half-safe is accepted."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sqlite import ServingLock, SqliteStore, connection, place, schema
from regcred.domain.errors import StartRefused
from tests.adapters.storage.samples import Clock, World


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestPragmas:
    def test_every_promise_is_in_force_on_every_connection(self, sqlite_store: SqliteStore) -> None:
        for held in (sqlite_store._reader, sqlite_store._writer._connection):
            found = {
                name: held.execute(f"PRAGMA {name}").fetchone()[0]
                for name, _, _ in connection.PRAGMAS
            }

            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "secure_delete": 1,
                "trusted_schema": 0,
                "cell_size_check": 1,
                "busy_timeout": 5000,
                "temp_store": 2,
                "cache_size": -2048,
                "mmap_size": 0,
            }

    def test_who_writes_beside_a_server_moves_the_log_sooner(
        self, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        with closing(SqliteStore.open(directory, clock=Clock(), beside=True)) as beside:
            after = [
                store._writer._connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
                for store in (beside, sqlite_store)
            ]

        assert after == [400, 1000]

    @pytest.mark.parametrize(
        ("name", "weaker"),
        [
            ("journal_mode", "DELETE"),
            ("synchronous", "NORMAL"),
            ("foreign_keys", "OFF"),
            ("secure_delete", "FAST"),
            ("trusted_schema", "ON"),
            ("cell_size_check", "OFF"),
            ("busy_timeout", "0"),
            ("temp_store", "FILE"),
            ("cache_size", "10"),
            ("mmap_size", "65536"),
        ],
    )
    def test_a_setting_that_does_not_hold_is_refused(
        self, directory: Path, name: str, weaker: str
    ) -> None:
        pragmas = tuple(
            (n, weaker if n == name else setting, wanted)
            for n, setting, wanted in connection.PRAGMAS
        )

        with pytest.raises(StartRefused, match=name):
            connection.connect(directory / "regcred.db", pragmas=pragmas)

    def test_a_misspelt_setting_is_refused(self, directory: Path) -> None:
        with pytest.raises(StartRefused, match="secure_delte"):
            connection.connect(directory / "regcred.db", pragmas=(("secure_delte", "ON", 1),))

    def test_the_reading_connection_cannot_write(self, sqlite_store: SqliteStore) -> None:
        with pytest.raises(sqlite3.OperationalError):
            sqlite_store._reader.execute("DELETE FROM projects")

    def test_an_old_library_is_refused(self) -> None:
        with pytest.raises(StartRefused, match=r"3\.39\.4 is too old"):
            connection.refuse_old((3, 39, 4))
        connection.refuse_old((3, 40, 0))


class TestModes:
    def test_everything_is_the_owners_alone(self, tmp_path: Path, clock: Clock) -> None:
        directory = tmp_path / "a" / "store"
        old = os.umask(0)
        try:
            schema.migrate(directory)
            with closing(SqliteStore.open(directory, clock=clock)), ServingLock(directory):
                files = {path.name: mode(path) for path in directory.iterdir()}
        finally:
            os.umask(old)

        assert mode(directory) == 0o700
        assert files == dict.fromkeys(
            ("regcred.db", "regcred.db-wal", "regcred.db-shm", "serve.lock"), 0o600
        )

    def test_what_others_could_read_is_tightened(self, directory: Path, clock: Clock) -> None:
        directory.chmod(0o755)
        (directory / "regcred.db").chmod(0o644)
        SqliteStore.open(directory, clock=clock).close()

        assert (mode(directory), mode(directory / "regcred.db")) == (0o700, 0o600)

    def test_a_link_in_the_files_place_is_refused(self, directory: Path, tmp_path: Path) -> None:
        (directory / "regcred.db").rename(tmp_path / "elsewhere.db")
        (directory / "regcred.db").symlink_to(tmp_path / "elsewhere.db")

        with pytest.raises(StartRefused, match="cannot use"):
            SqliteStore.open(directory, clock=Clock())

    def test_a_file_in_the_directorys_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(StartRefused, match="cannot use"):
            schema.migrate(tmp_path / "file")

    def test_what_is_no_database_is_refused(self, directory: Path) -> None:
        (directory / "regcred.db").write_bytes(b"no database" * 1000)

        with pytest.raises(StartRefused, match="SQLITE_NOTADB"):
            SqliteStore.open(directory, clock=Clock())

    def test_what_cannot_be_opened_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StartRefused, match="SQLITE_CANTOPEN"):
            connection.connect(tmp_path / "missing" / "regcred.db")


MOUNTS = """\
21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:27 / /mnt/share rw - nfs4 server:/x rw,vers=4.2
31 30 0:28 / /mnt/share/local rw master:2 - xfs /dev/vdb rw
32 21 0:29 / /mnt/with\\040space rw - cifs //server/x rw
33 21 0:30 / /mnt/twice rw - nfs server:/y rw
34 33 0:31 / /mnt/twice rw - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/var/lib/regcred", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/deep/er", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/share/local/store", None),
        ("/mnt/with space/store", "cifs"),
        ("/mnt/twice/store", None),
    ],
)
def test_a_network_file_system_is_told_from_a_local_one(directory: str, kind: str | None) -> None:
    assert place.network_file_system(Path(directory), MOUNTS) == kind


def test_a_store_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"1 1 0:1 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(place, "MOUNTINFO", mountinfo)

    with pytest.raises(StartRefused, match="network file system"):
        schema.migrate(tmp_path / "store")


class TestSchema:
    def test_the_constant_is_the_newest_revision(self) -> None:
        config = Config()
        config.set_main_option(
            "script_location", str(Path(schema.__file__).parents[1] / "migrations")
        )

        assert ScriptDirectory.from_config(config).get_current_head() == HEAD

    def test_a_fresh_directory_is_brought_to_the_newest(self, tmp_path: Path) -> None:
        assert schema.current_revision(tmp_path) is None
        schema.migrate(tmp_path)
        schema.migrate(tmp_path)

        assert schema.current_revision(tmp_path) == HEAD

    def test_every_table_is_strict(self, sqlite_store: SqliteStore) -> None:
        rows = sqlite_store._reader.execute(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        ).fetchall()
        loose = {name for name, strict in rows if not strict}

        assert loose <= {"alembic_version", "sqlite_schema", "sqlite_sequence"}
        assert len(rows) > 10

    def test_what_belongs_to_a_tenant_points_inside_its_project(
        self, sqlite_store: SqliteStore
    ) -> None:
        reader = sqlite_store._reader
        for table in (
            "credential_secrets",
            "credential_scopes",
            "credential_labels",
            "verdicts",
            "uses",
        ):
            keys: dict[int, set[str]] = {}
            for row in reader.execute(f"PRAGMA foreign_key_list({table})"):
                assert row[6] == "RESTRICT"
                keys.setdefault(row[0], set()).add(row[3])

            assert keys
            assert all("project_id" in columns and len(columns) == 2 for columns in keys.values())

    @pytest.mark.parametrize(
        ("revision", "words"),
        [("0000", "run `regcred migrate --data`"), ("9999", "newer than this program")],
    )
    def test_another_schema_is_refused(self, directory: Path, revision: str, words: str) -> None:
        with closing(connection.connect(directory / "regcred.db")) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))

        with pytest.raises(StartRefused, match=words):
            SqliteStore.open(directory, clock=Clock())

    @pytest.mark.parametrize(("revision", "serves"), [("9999", True), ("0001", False)])
    async def test_a_running_store_goes_on_when_a_newer_program_added_to_its_schema(
        self, sqlite_store: SqliteStore, directory: Path, revision: str, *, serves: bool
    ) -> None:
        assert await sqlite_store.at_head()
        with closing(connection.connect(directory / "regcred.db")) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))

        assert await sqlite_store.at_head() is serves

    def test_a_newer_schema_is_not_migrated(self, directory: Path) -> None:
        with closing(connection.connect(directory / "regcred.db")) as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")

        with pytest.raises(StartRefused, match="newer"):
            schema.migrate(directory)

    def test_no_store_is_refused_and_none_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(StartRefused, match="regcred init"):
            SqliteStore.open(tmp_path, clock=Clock())

        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file_is_refused(self, directory: Path) -> None:
        (directory / "regcred.db").write_bytes(b"")

        with pytest.raises(StartRefused, match="missing"):
            SqliteStore.open(directory, clock=Clock())
        with closing(connection.connect(directory / "regcred.db")) as database:
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        with pytest.raises(StartRefused, match="missing"):
            SqliteStore.open(directory, clock=Clock())

    def test_an_interrupted_migration_leaves_nothing(self, tmp_path: Path) -> None:
        with closing(connection.connect(place.make_private(tmp_path))) as database:
            database.execute("CREATE TABLE uses (in_the_way INTEGER)")

        with pytest.raises(Exception, match="already exists"):
            schema.migrate(tmp_path)
        with closing(connection.connect(tmp_path / "regcred.db")) as database:
            tables = database.execute("SELECT name FROM sqlite_schema").fetchall()
        assert tables == [("uses",)]


HOLDER = """
import sys, time
from pathlib import Path
from regcred.adapters.storage.sqlite import ServingLock
lock = ServingLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


class TestServingLock:
    def test_a_second_server_is_refused_and_commands_work_beside(
        self, directory: Path, clock: Clock
    ) -> None:
        with ServingLock(directory):
            with pytest.raises(StartRefused, match="another process serves"):
                ServingLock(directory)
            SqliteStore.open(directory, clock=clock).close()
        with ServingLock(directory) as lock:
            lock.close()
            lock.close()

    def test_kill_9_gives_it_back_at_once(self, directory: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(directory)], stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(StartRefused):
                ServingLock(directory)
            holder.send_signal(signal.SIGKILL)
            holder.wait()

        ServingLock(directory).close()


async def test_a_store_opens_again_with_everything_in_it(directory: Path, clock: Clock) -> None:
    first = SqliteStore.open(directory, clock=clock)
    login = await (await World(first, clock).begin()).add()
    first.close()
    first.close()
    with closing(SqliteStore.open(directory, clock=clock)) as second:
        found = await second.find_credential(login.project_id, login.id)

    assert found == login
    assert not (directory / "regcred.db-wal").exists()
