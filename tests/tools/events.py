"""An event that comes without any other write: no caller has such a thing, and tests need many."""

from __future__ import annotations

from regcred.adapters.storage.postgres import PostgresStore
from regcred.adapters.storage.sql.events import put_event
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.event import Event
from regcred.domain.ports import Store
from tests.fakes.store import MemoryStore


async def record_event(store: Store, event: Event) -> int:
    """Store an event as the writes that make one do, and return its number.

    Raise ProjectNotFound.
    """
    if isinstance(store, SqliteStore | PostgresStore):
        return await store._write(
            lambda transaction: put_event(transaction, event), of=event.project_id
        )
    assert isinstance(store, MemoryStore)
    return store._put_event(event)
