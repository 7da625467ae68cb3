"""An installation whose store is a PostgreSQL database, served by several processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg

from regcred.bootstrap.stores import migrate_store
from regcred.settings import Settings
from tests.tools.postgres import ADMINISTRATOR, Cluster
from tests.tools.programs import Daemon, wait_for
from tools.campaign.installation import Forked, Installation

WORKERS = 2
DATABASE = "campaign"
_WORKERS_DIE = 0.5
"""How often a worker dies before all of them do."""

_names = itertools.count(1)


def database_of(cluster: Cluster) -> str:
    """Make an empty database there and return its name."""
    name = f"{DATABASE}_{next(_names)}"
    cluster.make(name)
    return name


class OnDatabase(Installation):
    """A migrated database, and the processes that serve it; its tables are read past its walls."""

    more = ("--workers", str(WORKERS))

    def __init__(self, folder: Path, *clusters: Cluster) -> None:
        """Set it up on the first of the clusters; the others may come to be the primary."""
        database = database_of(clusters[0])
        hosts = ",".join(one.url("").rpartition("@")[2].partition("/")[0] for one in clusters)
        self._where = f"@{hosts}/{database}?target_session_attrs=read-write"
        self._threads = ThreadPoolExecutor(1)
        self._random = random.Random(folder.name)
        owner = Settings(data=folder, database=clusters[0].url("owner", database))
        self._threads.submit(migrate_store, owner).result()
        super().__init__(folder, REGCRED_DATABASE=f"postgresql://app{self._where}")

    @property
    def database(self) -> str:
        """Return where the service finds its database."""
        return self.service.env["REGCRED_DATABASE"]

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds in the tables as they are committed."""
        numbers = itertools.count(1)
        text = re.sub(r"\?", lambda _: f"${next(numbers)}", statement)
        return self._threads.submit(asyncio.run, self._rows(text, parameters)).result()

    def damage(self) -> list[str]:
        """Return what the product itself finds when it opens everything and walks the audit."""
        done = self.service.run("scrub", "--data", str(self.service.data))
        return [] if done.code == 0 else [done.text]

    def workers(self, daemon: Daemon | Forked) -> list[int]:
        """Return the ids of the processes that serve."""
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()
        return sorted(map(int, children.split()))

    def kill(self, daemon: Daemon | Forked) -> int:
        """Kill one worker and see it replaced, or not; then the parent alone, or all at once."""
        kills, workers = 1, self.workers(daemon)
        if workers and self._random.random() < _WORKERS_DIE:
            os.kill(self._random.choice(workers), signal.SIGKILL)
            kills += 1
            wait_for(lambda: len(self.workers(daemon)) == WORKERS)
            workers = self.workers(daemon)
        daemon.kill()
        if self._random.random() < _WORKERS_DIE:
            for number in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        wait_for(lambda: not any(map(_lives, workers)))
        return kills

    async def _rows(self, text: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(
            f"postgresql://{ADMINISTRATOR}{self._where}", timeout=3, command_timeout=30
        )
        try:
            return [tuple(row) for row in await connection.fetch(text, *parameters)]
        finally:
            await connection.close()


def _lives(number: int) -> bool:
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
