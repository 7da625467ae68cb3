"""kill -9 under load: nothing acknowledged is lost, and every write has its audit row."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from regcred.adapters.storage.sqlite import SqliteStore, connection
from tests.adapters.storage.samples import START
from tests.tools.programs import unfollowed

ROOT = Path(__file__).parents[3]
KILLS = 10

FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.errors import StoreUnavailable
from tests.adapters.storage.samples import START, Clock, World

async def main():
    store = SqliteStore.open(Path(sys.argv[1]), clock=Clock())
    world = await World(store, Clock()).begin()
    await world.add("before")
    wal = (Path(sys.argv[1]) / "regcred.db-wal").stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal + 5000, hard))
    outcomes = await asyncio.gather(
        *(world.add(f"c{n}", description="x" * 1000) for n in range(50)), return_exceptions=True
    )
    assert all(isinstance(o, StoreUnavailable) for o in outcomes), outcomes
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await world.add("after")
    print(sorted(await world.names()), len(await store.macs_after(0, 100)))
    store.close()

asyncio.run(main())
"""


def start(directory: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.storage.crash_child", str(directory), *words],
        cwd=ROOT,
        env=unfollowed({**os.environ, "PYTHONPATH": str(ROOT / "src")}),
        stdout=subprocess.PIPE,
    )


def acknowledged(directory: Path, after: int, *words: str) -> list[list[str]]:
    """Run the child, kill it after so many acknowledgements, and return all it had given."""
    with start(directory, *words) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(after)]
        child.kill()
        lines += child.stdout.readlines()
    # The last line may be cut; a cut line was still written after its acknowledgement.
    return [line.decode().split() for line in lines if line.endswith(b"\n")]


def lost(directory: Path, told: list[list[str]]) -> list[str]:
    """Return the names of acknowledged credentials that are not wholly in the store."""
    whole = """
        SELECT count(*) FROM credentials c
        JOIN credential_secrets x ON x.project_id = c.project_id AND x.credential_id = c.id
        JOIN credential_scopes s ON s.project_id = c.project_id AND s.number = c.number
        JOIN audit_events a ON a.project_id = c.project_id AND a.target = c.id
            AND a.action = 'credential.created'
        WHERE c.project_id = ? AND c.id = ? AND c.name = ?
    """
    with closing(connection.connect(directory / "regcred.db")) as database:
        return [row[2] for row in told if database.execute(whole, row).fetchone() != (1,)]


def test_no_acknowledged_write_is_lost(directory: Path) -> None:
    told: list[list[str]] = []
    for kill in range(KILLS):
        told += acknowledged(directory, 1 + 29 * kill, f"k{kill}")
    untold = """
        SELECT (SELECT count(*) FROM credentials),
            (SELECT count(*) FROM audit_events WHERE action = 'credential.created'),
            (SELECT count(*) FROM uses),
            (SELECT count(*) FROM audit_events WHERE action = 'use.put'),
            (SELECT count(*) FROM audit_events), (SELECT max(number) FROM audit_events),
            (SELECT sum(credential_count) FROM projects)
    """
    with closing(connection.connect(directory / "regcred.db")) as database:
        credentials, created, uses, put, rows, newest, counted = database.execute(untold).fetchone()
        damage = database.execute("PRAGMA integrity_check").fetchall()
        dangling = database.execute("PRAGMA foreign_key_check").fetchall()

    assert lost(directory, told) == []
    assert len(told) > KILLS
    assert credentials == created == counted
    assert uses == put
    assert rows == newest
    assert (damage, dangling) == ([("ok",)], [])
    SqliteStore.open(directory, clock=lambda: START).close()


def test_the_control_that_acknowledges_too_early_is_caught(directory: Path) -> None:
    told = acknowledged(directory, 1, "control", "too-early")

    assert lost(directory, told) != []


def test_a_disk_that_fills_up_at_commit_acknowledges_nothing(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(directory)],
        cwd=ROOT,
        env=unfollowed({**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}),
        capture_output=True,
        check=False,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )

    assert (done.stdout, done.stderr) == ("['after', 'before'] 3\n", "")
