"""The SQLite store: the domain's Store port, and what only the embedded store offers besides."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from regcred.adapters.storage.sqlite.audit import AuditLog
from regcred.adapters.storage.sqlite.checks import Checks
from regcred.adapters.storage.sqlite.clusters import Clusters
from regcred.adapters.storage.sqlite.connection import connect
from regcred.adapters.storage.sqlite.credentials import Credentials
from regcred.adapters.storage.sqlite.deliveries import Deliveries
from regcred.adapters.storage.sqlite.events import Events
from regcred.adapters.storage.sqlite.fetches import Fetches
from regcred.adapters.storage.sqlite.handouts import HandOuts
from regcred.adapters.storage.sqlite.keys import Keys
from regcred.adapters.storage.sqlite.listing import Listing
from regcred.adapters.storage.sqlite.logins import Logins
from regcred.adapters.storage.sqlite.place import DATABASE, make_private
from regcred.adapters.storage.sqlite.projects import Projects
from regcred.adapters.storage.sqlite.resolve import Resolving
from regcred.adapters.storage.sqlite.schema import head_revision, require_head, revision_of
from regcred.adapters.storage.sqlite.sealed_secrets import SealedSecrets
from regcred.adapters.storage.sqlite.service_keys import ServiceKeys
from regcred.adapters.storage.sqlite.set_back import Looks, SetBack
from regcred.adapters.storage.sqlite.transaction import Sign
from regcred.adapters.storage.sqlite.verdicts import Uses, Verdicts
from regcred.adapters.storage.sqlite.webhooks import Webhooks
from regcred.adapters.storage.sqlite.workloads import Workloads
from regcred.adapters.storage.sqlite.writer import Writer
from regcred.domain.errors import StartRefused, StoreUnavailable
from regcred.domain.ports import AlreadyDone, Clock

_READ = "SELECT checks FROM health WHERE id = 1"
_WRITTEN = "UPDATE health SET checks = checks + 1 WHERE id = 1"

_PROVEN_FOR = 1.0
"""Seconds for which a successful commit stands for the store's health."""


class SqliteStore(
    Projects,
    Keys,
    Credentials,
    SealedSecrets,
    Listing,
    Verdicts,
    Uses,
    Resolving,
    Fetches,
    HandOuts,
    Logins,
    AuditLog,
    Events,
    Checks,
    Webhooks,
    Deliveries,
    Clusters,
    Workloads,
    SetBack,
    ServiceKeys,
):
    """Implements `regcred.domain.ports.Store` on one file.

    Reads run where they are called, on the event loop's thread, in microseconds; writes go
    through one thread that commits waiting writes together. `close` commits what waits.
    """

    def __init__(
        self, path: Path, reader: sqlite3.Connection, writer: Writer, clock: Clock
    ) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self._clock = clock

    @classmethod
    def open(cls, directory: Path, *, sign: Sign | None = None, clock: Clock) -> Self:
        """Open the store in `directory`; `sign` makes the audit rows' signatures.

        Raise StartRefused when there is none, when its schema is not this program's, when a
        setting does not hold, or when it lies on a network file system.
        """
        if not (directory / DATABASE).exists():
            raise StartRefused(f"{directory} holds no store: run `regcred init`")
        path = make_private(directory)
        reader = connect(path)
        try:
            require_head(reader)
            reader.execute("PRAGMA query_only=ON").close()
            writer = connect(path)
        except StartRefused:
            reader.close()
            raise
        return cls(path, reader, Writer(writer, sign=sign), clock)

    def sign_with(self, sign: Sign) -> None:
        """Sign every audit row from now on: its key may itself lie in this store."""
        self._writer.sign = sign

    @contextmanager
    def looking_apart(self) -> Iterator[Looks]:
        """Yield what looks for older rows, on a read-only connection of its own, for any thread.

        Raise StartRefused when the file cannot be opened, StoreUnavailable when it is gone.
        """
        if not self._path.exists():  # SQLite would make an empty one
            raise StoreUnavailable("the store's file is gone")
        with closing(connect(self._path)) as reader:
            reader.execute("PRAGMA query_only=ON").close()
            yield Looks(reader, self._writer, self._clock)

    @property
    def commits(self) -> int:
        """How many transactions were committed since the store was opened."""
        return self._writer.commits

    def close(self) -> None:
        """Commit what waits, wipe dead secrets, close. Closing twice is nothing."""
        self._writer.close()
        self._reader.close()

    async def find_idempotent(self, principal: str, key: str) -> AlreadyDone | None:
        """Return what an Idempotency-Key did within its 24 hours, if anything."""
        return self._done_before(self._one, principal, key)

    async def check(self) -> None:
        """Pass if the store can be read and written. Raise StoreUnavailable.

        A commit of the last second is proof enough, so that asking costs no disk writes.
        """
        self._all(_READ)
        last = self._writer.last_commit
        if last is None or time.monotonic() - last > _PROVEN_FOR:
            await self._write(lambda transaction: transaction.change(_WRITTEN))

    def at_head(self) -> bool:
        """Whether the schema is still the one this program needs."""
        return revision_of(self._reader) == head_revision()
