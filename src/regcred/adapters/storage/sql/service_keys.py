"""Keys of the service itself, wrapped: for audit signatures, cursors, digests."""

from __future__ import annotations

from regcred.adapters.storage.sql.access import Access
from regcred.domain.audit import NO_PROJECT
from regcred.domain.errors import SealBroken
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
        """Return the key for `purpose`, if it was made. Raise SealBroken."""
        row = await self._one(_FIND, (purpose,))
        if row is None:
            return None
        if None in row:
            raise SealBroken("the service's own key")
        return WrappedSeed(*row)

    async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
        """Keep the key for `purpose`; the first one stays, whoever else was making one."""
        row = (purpose, key.kid, key.generation, key.wrapped)
        await self._write(lambda transaction: transaction.change(_PUT, row), of=NO_PROJECT)

    async def kids_in_use(self) -> set[str]:
        """Return the ids of every key-encryption key that something is wrapped by.

        Raise SealBroken when one is not there any more.
        """
        kids = {row[0] for row in await self._all(_KIDS)}
        if None in kids:
            raise SealBroken("a wrapped key")
        return kids

    async def is_empty(self) -> bool:
        """Whether nothing was ever kept here: only then may new keys be made."""
        row = await self._one(_ANYTHING)
        return row is None or not row[0]
