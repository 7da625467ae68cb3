"""F27: a migration is killed before every one of its statements, and resumed.

A store as the first program made them, full of rows, is migrated to the newest schema by a process
that dies before its first, second, third … statement. Each time the store is the old one or the new
one, whole, with every row; and migrating again gives exactly what a migration that was never killed
gives. Then this program serves a schema to which a version to come has added: a column to every
table, an index, a table.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from functools import partial
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from starlette.types import ASGIApp
from structlog.testing import capture_logs

from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sqlite import schema
from tests.adapters.storage.old_store import at_revision
from tests.tools.service import Service
from tools.campaign.inside import Inside, application
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.story import Actor, Unexpected

SEED = 20261204
ROWS = 10_000
ACTS = 400
_BEYOND = 1_000_000
_PROGRAM = Path(__file__).with_name("migrating.py")
_FILE = "regcred.db"


def run(scale: float) -> Report:
    """Kill at every statement, and a migration without its transaction, which must show."""
    report = Report("F27 migrations killed, SQLite", SEED, demands={"rows": ROWS, "kills": 50})
    with workspace("f27", below=memory()) as folder:
        old = folder / "old"
        _fill(old, scaled(ROWS, scale, least=50))
        report.counts["rows"] = _count(old)
        whole = shutil.copytree(old, folder / "whole")
        statements = _migrate(whole, _BEYOND) or 0
        report.counts["statements"] = statements
        every = max(1, round(1 / min(1, max(scale, 1 / statements))))
        for number in range(1, statements + 1, every):
            report.add("kills")
            wrong = _killed(old, whole, folder / "killed", number)
            report.violations += [f"before statement {number}: {one}" for one in wrong]
        middle = statements // 2
        half = _killed(old, whole, folder / "killed", middle, "piecemeal")
        found = half[0] if half else ""
        report.controls.append(Control("a migration without its transaction", bool(half), found))
    with workspace("f27-newer", below=memory()) as folder:
        asyncio.run(_newer(folder, scaled(ACTS, scale, least=30), report))
    return report


def _fill(directory: Path, rows: int) -> None:
    """Make a store of the first revision with so many logins, each with its audit row."""
    at_revision(directory, "0001")
    with closing(sqlite3.connect(directory / _FILE)) as database, database:
        (project,) = database.execute("SELECT id FROM projects").fetchone()
        ids = [str(UUID(int=(7 << 76) + n)) for n in range(rows)]
        database.executemany(
            "INSERT INTO credentials (project_id, id, number, name, provider, scopes, username,"
            " settings, description, labels, created_at, updated_at, version, secret_version,"
            " expires_at, last_used_at)"
            " VALUES (?, ?, ?, ?, 'generic', 'r.example', 'ada', '{}', '', '{}', 1, 1, 1, 1,"
            " 4102444800000000, 5)",
            [(project, id_, n + 10, f"login-{n}") for n, id_ in enumerate(ids)],
        )
        database.executemany(
            "INSERT INTO credential_secrets VALUES (?, ?, 'current', 1, 1, ?)",
            [(project, id_, id_.encode()) for id_ in ids],
        )
        database.executemany(
            "INSERT INTO audit_events (at, project_id, action, principal, target, secret_version,"
            " request_id, last_request_id, count, peer, details, mac)"
            " VALUES (1, ?, 'credential.created', 'key:x', ?, 1, '', '', 1, '', '{}', x'00')",
            [(project, id_) for id_ in ids],
        )


def _migrate(directory: Path, last: int, *words: str) -> int | None:
    """Migrate in a process that dies before statement `last`; return its count if it lived."""
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), str(directory), str(last), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == -signal.SIGKILL:
        return None
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return int(done.stdout)


def _killed(old: Path, whole: Path, work: Path, number: int, *words: str) -> list[str]:
    """Kill a migration of a copy there, look at what is left, resume, and compare."""
    shutil.copytree(old, work)
    try:
        if _migrate(work, number, *words) is not None:
            return ["it was not killed"]
        left = _contents(work)
        if left not in (_contents(old), _contents(whole)):
            return [f"half done at {schema.current_revision(work)}"]
        schema.migrate(work)
        if schema.current_revision(work) != HEAD or _contents(work) != _contents(whole):
            return ["resumed, it is another store than one that was never killed"]
        return []
    finally:
        shutil.rmtree(work)


def _contents(directory: Path) -> str:
    """Return a digest of the whole schema and of every row. Raise ValueError for a damaged file."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(directory / _FILE)) as database:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise ValueError("the file is damaged")
        master = database.execute("SELECT name, type, sql FROM sqlite_master ORDER BY name, type")
        for name, kind, sql in master.fetchall():
            digest.update(f"{name} {kind} {sql}".encode())
            if kind == "table":
                rows = database.execute(f"SELECT * FROM {name}")  # noqa: S608  from the schema
                digest.update("\n".join(sorted(map(repr, rows))).encode())
    return digest.hexdigest()


def _count(directory: Path) -> int:
    with closing(sqlite3.connect(directory / _FILE)) as database:
        return int(database.execute("SELECT count(*) FROM credentials").fetchone()[0])


async def _newer(folder: Path, acts: int, report: Report) -> None:
    service = Service(folder / "service")
    service.init()
    expand = partial(_expand, service.data / "store" / _FILE)
    await serve_newer(application(service.data), service.key, expand, acts, report)


async def serve_newer(
    serving: AbstractAsyncContextManager[ASGIApp],
    key: str,
    expand: Callable[[], object],
    acts: int,
    report: Report,
) -> None:
    """Serve while the schema becomes that of a version to come, which has only added."""
    with capture_logs():
        async with serving as app:
            client = Inside(app, key)
            actor = Actor("n", client, str(SEED), most=20)
            for number in range(acts):
                if number == acts // 4:
                    await asyncio.to_thread(expand)
                try:
                    await actor.act()
                except Unexpected as answer:
                    report.violations.append(f"on a newer schema: {answer}")
                report.add("requests on a newer schema", number >= acts // 4)
            ready = await client.ask("GET", "/readyz")
            if ready.status != HTTPStatus.OK:
                report.violations.append(f"on a newer schema: {ready.body!r}")


def _expand(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        for (table,) in tables:
            if table != "alembic_version":
                added = f"ALTER TABLE {table} ADD COLUMN added_later INTEGER NOT NULL DEFAULT 7"
                database.execute(added)
        database.execute("CREATE TABLE made_later (id INTEGER PRIMARY KEY)")
        database.execute("CREATE INDEX looked_up_later ON credentials (added_later)")
        database.execute("UPDATE alembic_version SET version_num = '9999'")
