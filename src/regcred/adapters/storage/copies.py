"""The port behind which each kind of store is copied while it is served.

A copy is one file, consistent at one moment, without what was deleted. What is told of it is
read from that same moment, so that whoever restores it can compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from regcred.adapters.storage.sql.checkpoints import StoredCheckpoint

KIDS = "SELECT kid FROM project_seeds UNION SELECT kid FROM service_keys ORDER BY kid"
MACS = "SELECT number, mac FROM audit_events WHERE number > ? ORDER BY number LIMIT ?"
COUNTED = ("projects", "credentials", "credential_secrets", "api_keys", "audit_events")
"""The tables whose rows a manifest counts."""


class Contents(NamedTuple):
    """What is in a copy."""

    schema: str
    kids: tuple[str, ...]
    """Ids of the key-encryption keys without which nothing in it opens."""

    counts: Mapping[str, int]
    """Rows by table."""


class Copy(Protocol):
    """A copy that was just made."""

    async def contents(self) -> Contents:
        """What is in it."""
        ...

    async def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return the signed states of its audit chain, newest first."""
        ...

    async def macs_after(self, number: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return (number, mac) of its audit rows above `number`, in number order."""
        ...


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
