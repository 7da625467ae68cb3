"""A real PostgreSQL of its own: made in a temporary folder, on loopback alone, gone afterwards.

Insecure and not durable: no password, no fsync. It ends with whoever started it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.tools.programs import LOOPBACK, ProgramMissing, find, free_port, listens, wait_for

_DEBIAN = Path("/usr/lib/postgresql")
_PR_SET_PDEATHSIG = 1

ADMINISTRATOR = "postgres"
SETUP = """
    CREATE ROLE regcred_audit_writer;
    CREATE ROLE regcred_app;
    CREATE ROLE regcred_backup;
    GRANT regcred_audit_writer TO regcred_app;
    CREATE ROLE owner LOGIN;
    CREATE ROLE app LOGIN IN ROLE regcred_app;
    CREATE ROLE backup LOGIN IN ROLE regcred_backup;
"""
"""What docs/postgresql.md has an administrator do, with users named after their roles."""

_EMPTY = """
    DO $do$
    DECLARE
        name text;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR name IN
            SELECT oid::regclass FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND relname NOT IN ('alembic_version', 'audit_floor', 'audit_numbers', 'health')
        LOOP
            EXECUTE 'DELETE FROM ' || name;
        END LOOP;
        PERFORM setval(oid, 1, false) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'S';
        UPDATE audit_numbers SET last = 0 WHERE last <> 0;
        UPDATE health SET checks = 0 WHERE checks <> 0;
    END $do$
"""


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, of the newest version that is installed.

    Raise ProgramMissing.
    """
    installed = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which(name)
    if found is None:
        raise ProgramMissing(name)
    return found


class Cluster:
    """A running server, reached on loopback without a password."""

    def __init__(
        self, folder: Path, *settings: str, of: Cluster | None = None, port: int = 0
    ) -> None:
        """Make it in `folder`, which must be empty, and start it: new, or as a standby of another.

        A standby's name is its folder's. `port`: a free one, unless one is named.
        """
        self.folder = folder
        self.data = folder / "data"
        self.port = port or free_port()
        self._settings = ("-c", "fsync=off", *settings)
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            user = pwd.getpwnam(ADMINISTRATOR)
            os.chown(folder, user.pw_uid, user.pw_gid)
        if of is None:
            self._make(
                *(program("initdb"), "-D", str(self.data), "-U", ADMINISTRATOR, "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--data-checksums"),
            )
            self.start()
            self.run_sql(SETUP)
        else:
            named = f"{of.url(ADMINISTRATOR)}?application_name={folder.name}"
            self._make(
                *(program("pg_basebackup"), "-D", str(self.data), "-d", named),
                *("-R", "-X", "stream", "-c", "fast", "--no-sync"),
            )
            self.start()

    def url(self, user: str, database: str = ADMINISTRATOR) -> str:
        """Return the address of a database for a user."""
        return f"postgresql://{user}@{LOOPBACK}:{self.port}/{database}"

    def start(self, *settings: str) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(program("postgres"), "-D", str(self.data), "-p", str(self.port)),
                    *("-k", str(self.folder), "-h", LOOPBACK),
                    *("-c", "max_connections=60", "-c", "shared_buffers=32MB"),
                    *(*self._settings, *settings),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(),
                preexec_fn=_die_with_parent,  # noqa: PLW1509  nothing else runs here yet
                **_as_nobody_special(),
            )
        wait_for(self._answers, seconds=30)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT lets nobody finish, SIGQUIT is a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End every process of the server at once, as the end of its machine does."""
        assert self._process is not None
        processes = self.processes()
        self._process.kill()
        for number in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def processes(self, title: str = "") -> list[int]:
        """Return the ids of what the server has started, or of those with that in their title."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        found = []
        for number in children.split():
            with contextlib.suppress(OSError):
                if title.encode() in Path(f"/proc/{number}/cmdline").read_bytes():
                    found.append(int(number))
        return found

    def run_sql(self, script: str, database: str = ADMINISTRATOR, user: str = ADMINISTRATOR) -> str:
        """Run statements as a user and return what psql prints. Raise RuntimeError."""
        done = subprocess.run(
            [
                *(program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                self.url(user, database),
            ],
            input=script.encode(),
            capture_output=True,
            timeout=60,
            check=False,
            env=_environment(),
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def make(self, database: str) -> None:
        """Make an empty database that the owner's role owns."""
        self.run_sql(f"CREATE DATABASE {database} OWNER owner")
        self.run_sql(
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO owner",
            database,
        )

    async def empty(self, database: str) -> None:
        """Make a migrated database as new, in a hundredth of a migration's time."""
        connection = await asyncpg.connect(self.url(ADMINISTRATOR, database))
        try:
            await connection.execute(_EMPTY)
        finally:
            await connection.close()

    def _make(self, *command: str) -> None:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=60,
            cwd=self.folder,
            env=_environment(),
            **_as_nobody_special(),
        )

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text(errors="replace"))
        try:
            self.run_sql("SELECT 1")
        except RuntimeError:
            return False
        return True


@contextmanager
def pooled(cluster: Cluster, folder: Path) -> Iterator[int]:
    """Run pgbouncer in transaction mode before a cluster, and yield its port.

    `folder` must be one that the server's user may read. Raise ProgramMissing.
    """
    port = free_port()
    users = folder / "users.txt"
    users.write_text('"app" ""\n"owner" ""\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={LOOPBACK} port={cluster.port}\n[pgbouncer]\n"
        f"listen_addr = {LOOPBACK}\nlisten_port = {port}\nauth_type = trust\nauth_file = {users}\n"
        "pool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir =\n"
    )
    with (folder / "pgbouncer.log").open("ab") as log:
        process = subprocess.Popen(
            [find("pgbouncer"), str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(),
            preexec_fn=_die_with_parent,  # noqa: PLW1509  nothing else runs here yet
            **_as_nobody_special(),
        )
    try:
        wait_for(lambda: listens(port) or process.poll() is not None)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


@contextmanager
def running(*settings: str) -> Iterator[Cluster]:
    """Run a server until the block ends, and leave nothing. Raise ProgramMissing."""
    program("initdb")
    # Not pytest's own folder, into which only its user gets.
    folder = Path(tempfile.mkdtemp(prefix="regcred-postgres-"))
    cluster: Cluster | None = None
    try:
        cluster = Cluster(folder, *settings)
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "5"}


def _as_nobody_special() -> dict[str, Any]:
    """Return how a program is started as a user that PostgreSQL accepts, which root is not."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(ADMINISTRATOR)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
