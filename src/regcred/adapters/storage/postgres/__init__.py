"""The store for many processes: PostgreSQL, reads in micro-batches, writes that commit together."""

from __future__ import annotations

from regcred.adapters.storage.postgres import schema
from regcred.adapters.storage.postgres.address import Address
from regcred.adapters.storage.postgres.store import PostgresStore

__all__ = ["Address", "PostgresStore", "schema"]
