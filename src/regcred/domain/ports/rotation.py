"""What changing keys needs of the store and of the sealing side: an operator's work, no tenant's.

Beside `Store`: nothing that a request does is here. The one thing you would get wrong: writing
what was read a while ago. Wrapping a key takes a call to a key service, and a project may be
changed or deleted meanwhile; so every write compares with what was read (security facts, 0.7), and
none is made by a rotation that somebody else has taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.ports.leases import Lease, Leases
from regcred.domain.ports.sealed_rows import SealedRow, SealedRowStore
from regcred.domain.ports.sealing import WrappedSeed


class StoredSeed(NamedTuple):
    """A project's seed as the store holds it."""

    project_id: str
    seed: WrappedSeed


class Swap(NamedTuple):
    """Put `new` where `old` is, if it is still there."""

    project_id: str
    old: WrappedSeed
    new: WrappedSeed


class Wrapped(NamedTuple):
    """How much hangs on one key-encryption key."""

    seeds: int = 0
    service_keys: int = 0

    @property
    def none(self) -> bool:
        """Whether nothing of this store needs the key any more."""
        return not (self.seeds or self.service_keys)


class Resealed(NamedTuple):
    """Put `sealed` under the seed of `generation` in the place of what `row` holds."""

    row: SealedRow
    generation: int
    sealed: bytes


class RotationStore(SealedRowStore, Leases, Protocol):
    """Wrapped and sealed values, page by page; writes that compare; who may write."""

    async def wrapped_by(self) -> Mapping[str, Wrapped]:
        """Return what hangs on each key-encryption key that anything hangs on, by kid."""
        ...

    async def unused_since(self) -> Mapping[str, datetime]:
        """Return since when `note_unused` has known that nothing hangs on a key, by kid."""
        ...

    async def seeds(
        self, after: StoredSeed | None, limit: int, *, not_by: str | None = None
    ) -> Sequence[StoredSeed]:
        """Return seeds behind `after`, in a fixed order; with `not_by`, none that it wraps."""
        ...

    async def service_keys(self) -> Mapping[str, WrappedSeed]:
        """Return every wrapped key of the service itself, by purpose."""
        ...

    async def swap_seeds(self, lease: Lease, until: datetime, swaps: Sequence[Swap]) -> int:
        """Renew the lease, swap what is still there, as one; return how many. Raise LeaseLost."""
        ...

    async def swap_service_key(
        self, lease: Lease, until: datetime, purpose: str, old: WrappedSeed, new: WrappedSeed
    ) -> bool:
        """Renew the lease and swap a key of the service, as one. Raise LeaseLost."""
        ...

    async def note_unused(
        self, lease: Lease, kids: Collection[str], at: datetime, event: AuditEvent
    ) -> None:
        """Remember since when nothing hangs on these keys, and forget it of those in use.

        A key that was known stays known since then. Raise LeaseLost.
        """
        ...

    async def project_seeds(self, project_id: UUID) -> Sequence[WrappedSeed]:
        """Return every seed of a project, oldest first. Raise ProjectNotFound."""
        ...

    async def add_seed(
        self, lease: Lease, until: datetime, project_id: UUID, seed: WrappedSeed, event: AuditEvent
    ) -> bool:
        """Renew the lease and add a generation, unless it is there already, as one.

        Raise LeaseLost, ProjectNotFound.
        """
        ...

    async def reseal(self, lease: Lease, until: datetime, rows: Sequence[Resealed]) -> int:
        """Renew the lease, swap what is still as it was, and return how many. Raise LeaseLost."""
        ...

    async def drop_seeds(
        self, lease: Lease, project_id: UUID, below: int, event: AuditEvent
    ) -> int:
        """Destroy the generations below that no row needs; return how many. Raise LeaseLost."""
        ...


class KeyWrapping(Protocol):
    """What the sealing side does with seeds while keys change."""

    @property
    def primary(self) -> str:
        """The id of the key-encryption key that wraps now."""
        ...

    async def rewrap(self, stored: StoredSeed) -> WrappedSeed:
        """Return the seed wrapped by the primary key. Raise SealBroken, KeyringUnavailable."""
        ...

    async def rewrap_service_key(self, key: WrappedSeed) -> WrappedSeed:
        """Return the service's key wrapped by the primary. Raise SealBroken, KeyringUnavailable."""
        ...

    async def check(self, stored: StoredSeed) -> None:
        """Pass if the seed opens. Raise SealBroken, KeyringUnavailable."""
        ...

    async def check_service_key(self, key: WrappedSeed) -> None:
        """Pass if the service's key opens. Raise SealBroken, KeyringUnavailable."""
        ...

    async def next_seed(self, project_id: str, generation: int) -> WrappedSeed:
        """Make a project's seed of that generation. Raise KeyringUnavailable."""
        ...
