"""The port behind which each kind of store is copied while it is served.

A copy is one file, consistent at one moment, without what was deleted. What is told of it is
read from that same moment, so that whoever restores it can compare.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from regcred.adapters.storage.sql.audit import MACS_AFTER
from regcred.adapters.storage.sql.checkpoints import EVERY, StoredCheckpoint, checkpoint
from regcred.adapters.storage.sql.rows import Row
from regcred.domain.errors import SealBroken
from regcred.domain.ports import WrappedSeed

_KIDS = "SELECT kid FROM project_seeds UNION SELECT kid FROM service_keys ORDER BY kid"
_SERVICE_KEY = "SELECT kid, generation, wrapped FROM service_keys WHERE purpose = ?"
_COUNTED = ("projects", "credentials", "credential_secrets", "api_keys", "audit_events")
"""The tables whose rows a manifest counts."""


class Contents(NamedTuple):
    """What is in a copy."""

    schema: str
    kids: tuple[str, ...]
    """Ids of the key-encryption keys without which nothing in it opens."""

    counts: Mapping[str, int]
    """Rows by table."""


class Copy(ABC):
    """A copy that was just made, as it is read from the moment that it is of."""

    async def contents(self) -> Contents:
        """Return what is in it."""
        counts = {
            table: int((await self._all(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608  the names above
            for table in _COUNTED
        }
        kids = tuple(str(kid) for (kid,) in await self._all(_KIDS))
        return Contents(await self._revision() or "", kids, counts)

    async def service_key(self, purpose: str) -> WrappedSeed:
        """Return the wrapped key for `purpose`. Raise SealBroken where there is none."""
        rows = await self._all(_SERVICE_KEY, purpose)
        if not rows or None in rows[0]:
            raise SealBroken("the service's own key")
        return WrappedSeed(*rows[0])

    async def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return the signed states of its audit chain, newest first."""
        return [checkpoint(row) for row in await self._all(EVERY)]

    async def macs_after(self, number: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return (number, mac) of its audit rows above `number`, in number order."""
        return [(row[0], row[1]) for row in await self._all(MACS_AFTER, number, limit)]

    @abstractmethod
    async def _revision(self) -> str | None:
        """Return the schema's revision."""

    @abstractmethod
    async def _all(self, statement: str, *parameters: object) -> list[Row]:
        """Return every row. Raise StoreUnavailable."""


class Copier(Protocol):
    """Copies one store."""

    @property
    def engine(self) -> str:
        """`sqlite` or `postgresql`: whoever restores must know."""
        ...

    @property
    def suffix(self) -> str:
        """What the copy's file name ends with."""
        ...

    def copied(self, into: Path) -> AbstractAsyncContextManager[Copy]:
        """Write a copy to `into`, a file that is empty and private, and yield it.

        Raise StartRefused when there is nothing to copy, StoreUnavailable when the copy fails.
        """
        ...
