"""The embedded store: one file, one serving process, reads inline, one writer (group commit)."""

from __future__ import annotations

from regcred.adapters.storage.sqlite import schema
from regcred.adapters.storage.sqlite.place import ServingLock
from regcred.adapters.storage.sqlite.store import SqliteStore

__all__ = ["ServingLock", "SqliteStore", "schema"]
