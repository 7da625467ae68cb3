"""A process that writes as fast as it can and says what was acknowledged, until it is killed.

Run as `python -m tests.adapters.storage.crash_child DIRECTORY PREFIX [too-early]`. With
`too-early` it acknowledges before it commits: the control that the test must catch.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

from regcred.adapters.storage.sqlite import SqliteStore, writer
from regcred.adapters.storage.sqlite.transaction import SqliteTransaction
from regcred.domain.audit import Action
from tests.adapters.storage import samples
from tests.adapters.storage.samples import START, World, a_project, a_use, event, seed


def acknowledge_too_early() -> None:
    def commit(self: writer.Writer, batch: list[Any]) -> list[Any]:
        transaction = SqliteTransaction(self._connection, None)
        writer._settle(self._attempt_all(transaction, batch))
        time.sleep(0.2)
        transaction.commit()
        return []

    writer.Writer._commit = commit  # type: ignore[method-assign]  # that is the planted fault


async def write(directory: Path, prefix: str) -> None:
    store = SqliteStore.open(directory, clock=lambda: START)
    world = World(store, None)  # type: ignore[arg-type]  # nothing here asks the time
    project = a_project(f"p-{prefix}")
    created = event(Action.PROJECT_CREATED, project.id)
    world.project = await store.create_project(project, seed("alpha"), created)

    async def one(worker: int) -> None:
        n = 0
        while True:
            n += 1
            login = await world.add(f"{prefix}-{worker}-{n}")
            os.write(1, f"{project.id} {login.id} {login.name}\n".encode())
            if n % 3 == 0:
                put = event(Action.USE_PUT, project.id, login.id)
                await store.put_use(project.id, login.id, a_use(), put)

    await asyncio.gather(*(one(worker) for worker in range(16)))


if __name__ == "__main__":
    # Ids of its own: the children of one test share a store.
    samples._ids = itertools.count(int.from_bytes(os.urandom(6)))
    if "too-early" in sys.argv:
        acknowledge_too_early()
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2]))
