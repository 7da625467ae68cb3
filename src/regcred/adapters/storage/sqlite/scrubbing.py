"""Dead secrets leave the files soon: secure_delete overwrites pages, a checkpoint moves them.

Until the write-ahead log is checkpointed, the main file still holds a deleted secret's page, and
until the log is truncated, so does the log (security facts, A13).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from regcred.adapters.storage.sqlite.connection import BUSY_TIMEOUT

IDLE = 0.2
"""Seconds of quiet after which dead secrets are wiped."""

LATEST = 2.0
"""Seconds after which they are wiped however busy the writer is."""

_READERS = 50
"""Milliseconds that one attempt waits for another process's reads to end."""


class Scrubber:
    """Truncates the log once secrets died. Belongs to the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._since: float | None = None

    def wanted(self) -> None:
        """Say that a commit deleted secrets."""
        if self._since is None:
            self._since = self._monotonic()

    def wait(self) -> float | None:
        """Return how long the writer may sleep, in seconds; None for as long as it likes."""
        return None if self._since is None else IDLE

    def due(self, *, idle: bool) -> bool:
        """Whether now is the time."""
        if self._since is None:
            return False
        return idle or self._monotonic() - self._since >= LATEST

    def scrub(self) -> None:
        """Move the log into the file and cut it to nothing; a reader in the way postpones it."""
        if self._since is not None:
            self._since = None if self._truncated() else self._monotonic()

    def _truncated(self) -> bool:
        try:
            # First what is most of it, beside whoever writes: cutting the log stops them.
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
            self._connection.execute(f"PRAGMA busy_timeout={_READERS}").close()
            row = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}").close()
        except sqlite3.Error:
            # Tried again later; should the time-out stay short, writes fail sooner, not wrongly.
            return False
        return row is not None and row[0] == 0
