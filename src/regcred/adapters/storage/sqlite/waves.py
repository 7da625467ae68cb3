"""The hot read, of all requests that wait in one turn of the event loop together.

The one thing you would get wrong: how long a snapshot may last. It is taken for the questions
that are there already, and given back before anything else runs: each is read after it was asked.

One after the other, because a read's code and pages are then in the processor's caches for the
next, which halves what it costs; and taking a snapshot is system calls (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import NamedTuple

from regcred.adapters.storage.sql.resolve import Resolving
from regcred.adapters.storage.sqlite.writer import finished
from regcred.domain.ports import ProjectRef, ResolveRead
from regcred.domain.registry import RegistryAddress


class _Asked(NamedTuple):
    """A question that waits, and who waits for its answer."""

    key_id: str | None
    project: ProjectRef | None
    address: RegistryAddress
    repository: str | None
    waiter: asyncio.Future[ResolveRead]


class Waves(Resolving):
    """Reads from one snapshot for all."""

    _reader: sqlite3.Connection
    _waiting: list[_Asked]

    async def read_for_resolve(
        self,
        key_id: str | None,
        project: ProjectRef | None,
        address: RegistryAddress,
        repository: str | None,
    ) -> ResolveRead:
        """Read everything that one resolve needs; see the port."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[ResolveRead] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._read_all)
        self._waiting.append(_Asked(key_id, project, address, repository, waiter))
        return await waiter

    def _read_all(self) -> None:
        asked, self._waiting = self._waiting, []
        # What stands in the way of a snapshot, each read will tell by itself.
        with suppress(sqlite3.Error):
            self._reader.execute("BEGIN").close()
        for key_id, project, address, repository, waiter in asked:
            if waiter.cancelled():
                continue
            read = super().read_for_resolve(key_id, project, address, repository)
            try:
                waiter.set_result(finished(read))
            except Exception as error:  # noqa: BLE001  whatever it is, it is the waiter's
                waiter.set_exception(error)
        with suppress(sqlite3.Error):
            self._reader.execute("COMMIT").close()
