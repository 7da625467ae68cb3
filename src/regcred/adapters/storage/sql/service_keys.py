"""Keys of the service itself, wrapped: for audit signatures, cursors, digests."""

from __future__ import annotations

from regcred.adapters.storage.sql.access import Access
from regcred.domain.audit import NO_PROJECT
from regcred.domain.ports import WrappedSeed

_FIND = "SELECT kid, generation, wrapped FROM service_keys WHERE purpose = ?"
_PUT = """
    INSERT INTO service_keys (purpose, kid, generation, wrapped) VALUES (?, ?, ?, ?)
    ON CONFLICT (purpose) DO NOTHING
"""
_KIDS = "SELECT kid FROM project_seeds UNION SELECT kid FROM service_keys"
_ANYTHING = """
    SELECT EXISTS (SELECT 1 FROM projects) OR EXISTS (SELECT 1 FROM service_keys)
"""


class ServiceKeys(Access):
    """Beside the port: what the composition root needs to start the sealing side."""

    async def service_key(self, purpose: str) -> WrappedSeed | None:
        """Return the key for `purpose`, if it was made."""
        row = await self._one(_FIND, (purpose,))
        return None if row is None else WrappedSeed(*row)

    async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
        """Keep the key for `purpose`; the first one stays, whoever else was making one."""
        row = (purpose, key.kid, key.generation, key.wrapped)
        await self._write(lambda transaction: transaction.change(_PUT, row), of=NO_PROJECT)

    async def kids_in_use(self) -> set[str]:
        """Return the ids of every key-encryption key that something is wrapped by."""
        return {row[0] for row in await self._all(_KIDS)}

    async def is_empty(self) -> bool:
        """Whether nothing was ever kept here: only then may new keys be made."""
        row = await self._one(_ANYTHING)
        return row is None or not row[0]
