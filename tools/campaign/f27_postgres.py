"""F27 on PostgreSQL: a migration loses its connection, or is killed, before each statement.

As on SQLite: what is left is the old database or the new one, by a digest of a dump of the whole
schema, its privileges and every row; resumed, it is the same as one that was never disturbed; and
this program goes on serving while a version to come adds to its schema.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from regcred.adapters.storage.postgres import Address, schema
from regcred.adapters.storage.postgres.ddl import translate_ddl
from regcred.adapters.storage.revision import HEAD
from regcred.domain.errors import StartRefused
from tests.tools import postgres
from tests.tools.postgres import ADMINISTRATOR, Cluster
from tests.tools.programs import wait_for
from tools.campaign.f27_migrations import ACTS, ROWS, SEED, serve_newer
from tools.campaign.inside import application
from tools.campaign.migrating_postgres import Counting, piecemeal
from tools.campaign.on_postgres import OnDatabase
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace

_PROGRAM = Path(__file__).with_name("migrating_postgres.py")
_MIGRATIONS = Path(schema.__file__).parents[1] / "migrations"
_KILL_ONE_IN = 8
"""So many lose their connection, the next is a process that is killed."""

_names = itertools.count(1)
_FILL = r"""
    INSERT INTO projects (id, name, require_if_match, created_at, updated_at, version,
        next_credential_number, credential_count)
        VALUES (':project', 'old', 0, 1, 1, 1, :rows + 1, :rows);
    INSERT INTO project_seeds VALUES (':project', 1, 'kid', '\x00');
    CREATE TEMPORARY VIEW made AS
        SELECT n, lpad(n::text, 36, '0') AS id FROM generate_series(1, :rows) AS n;
    INSERT INTO credentials (project_id, id, number, name, provider, scopes, username, settings,
        description, labels, created_at, updated_at, version, secret_version, expires_at,
        last_used_at)
        SELECT ':project', id, n, 'login-' || n, 'generic', 'r.example', 'ada', '{}', '', '{}',
            1, 1, 1, 1, 4102444800000000, 5 FROM made;
    INSERT INTO credential_secrets
        SELECT ':project', id, 'current', 1, 1, id::bytea FROM made;
    INSERT INTO audit_events (at, project_id, action, principal, target, secret_version,
        request_id, last_request_id, count, peer, details, mac)
        SELECT 1, ':project', 'credential.created', 'key:x', id, 1, '', '', 1, '', '{}', '\x00'
        FROM made;
""".replace(":project", "019a9c1e-0000-7000-8000-000000000001")
_EXPAND = """
    DO $do$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT oid::regclass FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND relname <> 'alembic_version'
        LOOP
            EXECUTE 'ALTER TABLE ' || name || ' ADD COLUMN added_later bigint NOT NULL DEFAULT 7';
        END LOOP;
    END $do$;
    CREATE TABLE made_later (id bigint PRIMARY KEY);
    CREATE INDEX looked_up_later ON credentials (added_later);
    UPDATE alembic_version SET version_num = '9999';
"""
_TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = '{}' AND usename = 'owner'
"""
_AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'owner'"


def run(scale: float, cluster: Cluster | None = None) -> Report:
    """Disturb it at every statement, and a migration without its transaction, which must show.

    Raise ProgramMissing.
    """
    if cluster is None:
        with postgres.running() as made:
            return run(scale, made)
    report = Report(
        "F27 migrations killed, PostgreSQL",
        SEED,
        demands={"rows": ROWS, "terminations": 200, "kills": 30},
    )
    old = _Database(cluster)
    old.fill(scaled(ROWS, scale, least=50))
    report.counts["rows"] = int(cluster.run_sql("SELECT count(*) FROM credentials", old.name))
    whole = old.copied()
    statements = whole.migrate(0)
    report.counts["statements"] = statements
    every = max(1, round(1 / min(1, max(scale, 1 / statements))))
    ends = {old.contents(), whole.contents()}
    for count, number in enumerate(range(1, statements + 1, every)):
        work = old.copied()
        process = count % _KILL_ONE_IN == 1
        report.add("kills" if process else "terminations")
        wrong = _disturbed(work, number, ends, whole.contents(), process=process)
        report.violations += [f"before statement {number}: {one}" for one in wrong]
        work.drop()
    with piecemeal():
        half = _disturbed(old.copied(), statements // 4, ends, "", process=False)
    found = half[0] if half else ""
    report.controls.append(Control("a migration without its transaction", bool(half), found))
    with workspace("f27-postgresql") as folder:
        installation = OnDatabase(folder / "service", cluster)
        database = installation.database.rpartition("/")[2].partition("?")[0]
        serving = application(installation.service.data, installation.database)
        asyncio.run(
            serve_newer(
                serving,
                installation.key,
                lambda: cluster.run_sql(_EXPAND, database),
                scaled(ACTS, scale, least=30),
                report,
            )
        )
    return report


def _disturbed(
    work: _Database, number: int, ends: set[str], whole: str, *, process: bool
) -> list[str]:
    """Disturb a migration there, look at what is left, resume, and compare."""
    if not (work.kill(number) if process else work.terminate(number)):
        return ["it was not disturbed"]
    if work.contents() not in ends:
        return [f"half done at {asyncio.run(schema.current_revision(work.owner))}"]
    work.migrate(0)
    revision = asyncio.run(schema.current_revision(work.owner))
    if revision != HEAD or work.contents() != whole:
        return ["resumed, it is another database than one that was never disturbed"]
    return []


class _Database:
    """One database of the cluster."""

    def __init__(self, cluster: Cluster, of: str = "") -> None:
        self.cluster = cluster
        self.name = f"migrated_{next(_names)}"
        if of:
            cluster.run_sql(f"CREATE DATABASE {self.name} TEMPLATE {of} OWNER owner")
        else:
            cluster.make(self.name)
        self.owner = Address(cluster.url("owner", self.name))

    def fill(self, rows: int) -> None:
        """Give it the first schema, and so many logins, each with its audit row."""
        asyncio.run(_first(self.owner))
        self.cluster.run_sql(_FILL.replace(":rows", str(rows)), self.name)

    def copied(self) -> _Database:
        """Return a copy."""
        return _Database(self.cluster, self.name)

    def drop(self) -> None:
        """Remove it."""
        self.cluster.run_sql(f"DROP DATABASE {self.name} WITH (FORCE)")

    def migrate(self, last: int) -> int:
        """Migrate, terminated before statement `last`; return how many there were."""
        migration = Counting(last, lambda: self.cluster.run_sql(_TERMINATE.format(self.name)))
        migration.migrate(self.owner.url)
        return migration.statements

    def terminate(self, number: int) -> bool:
        """Migrate until the connection is terminated; return whether that was told."""
        with suppress(StartRefused):
            self.migrate(number)
            return False
        return True

    def kill(self, number: int) -> bool:
        """Migrate in a process that dies; return whether it did, and its connection ended."""
        done = subprocess.run(
            [sys.executable, str(_PROGRAM), self.owner.url, str(number)],
            capture_output=True,
            check=False,
            timeout=120,
        )
        wait_for(lambda: int(self.cluster.run_sql(_AT_WORK.format(self.name))) == 0)
        return done.returncode == -signal.SIGKILL

    def contents(self) -> str:
        """Return a digest of the whole schema, its privileges and every row, in any order."""
        done = subprocess.run(
            [postgres.program("pg_dump"), self.cluster.url(ADMINISTRATOR, self.name)],
            capture_output=True,
            check=True,
            timeout=120,
        )
        # Newer versions of it begin and end with a word that is drawn for each dump.
        lines = [one for one in done.stdout.splitlines() if b"restrict " not in one]
        return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


async def _first(address: Address) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=address.connect, poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.run_sync(_first_revision)
    await engine.dispose()


def _first_revision(connection: Connection) -> None:
    def translated(
        _c: object, _k: object, statement: str, parameters: object, *_: object
    ) -> object:
        return translate_ddl(statement), parameters

    event.listen(connection, "before_cursor_execute", translated, retval=True)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
