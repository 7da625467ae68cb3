"""Give a project another seed, seal everything of it anew, and destroy the old one.

The one thing you would get wrong: when to destroy. Whoever read the old seed a moment ago may still
seal under it and store that. So the new seed stands first, what is under older ones is moved, and
only after a pause that is longer than any request is what came late moved too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from regcred.domain.audit import Action, AuditEvent, AuditValue
from regcred.domain.errors import SealBroken
from regcred.domain.ports import SWAP_ATTEMPTS, Clock, Sealer, WrappedSeed
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.rotation import KeyWrapping, Resealed, RotationStore
from regcred.domain.ports.sealed_rows import BEGINNING, SealedKind, SealedRow
from regcred.usecases.rewrap_keys import LEASE, Rest
from regcred.usecases.sealed_places import context_of

PAGE = 50
"""Rows of one commit: a few milliseconds, in which no other write is made."""


def lease_name(project_id: UUID) -> str:
    """Return the name of the lease under which a project is sealed anew."""
    return f"reseal {project_id}"


@dataclass(slots=True)
class Moved:
    """How much was sealed anew, and the ids of what does not open, as `kind id`."""

    rows: int = 0
    broken: list[str] = field(default_factory=list)

    def keep(self, row: SealedRow) -> None:
        """Note that a row stays as it is, once however often it is met."""
        name = f"{row.kind} {row.owner_id}"
        if name not in self.broken:
            self.broken.append(name)


class ResealProject:
    """One run for one project, in three steps; begun again, it goes on with the seed it made."""

    def __init__(
        self,
        store: RotationStore,
        keys: KeyWrapping,
        sealer: Sealer,
        clock: Clock,
        principal: str,
        rest: Rest,
    ) -> None:
        self._rest = rest
        self._store = store
        self._keys = keys
        self._sealer = sealer
        self._clock = clock
        self._principal = principal

    async def begin(self, lease: Lease, project_id: UUID) -> WrappedSeed:
        """Return the seed to move to: a new one, or the one that an earlier run left unfinished.

        Raise LeaseLost, ProjectNotFound, KeyringUnavailable.
        """
        seeds = await self._store.project_seeds(project_id)
        newest = seeds[-1]
        if len(seeds) > 1:
            return newest
        seed = await self._keys.next_seed(str(project_id), newest.generation + 1)
        event = self._event(Action.SEED_ADDED, project_id, generation=seed.generation)
        await self._store.add_seed(lease, self._until(), project_id, seed, event)
        # Where another run was faster, its seed is the one that stands.
        return (await self._store.project_seeds(project_id))[-1]

    async def move(
        self, lease: Lease, project_id: UUID, to: WrappedSeed, told: Callable[[Moved], None]
    ) -> Moved:
        """Seal everything anew that is under an older seed. Raise LeaseLost, KeyringUnavailable."""
        moved = Moved()
        for _ in range(SWAP_ATTEMPTS):
            tried = [
                await self._kind(kind, lease, project_id, to, moved, told) for kind in SealedKind
            ]
            if not any(tried):
                break
        return moved

    async def destroy(self, lease: Lease, project_id: UUID, to: WrappedSeed) -> int:
        """Destroy the older seeds that no row needs, and return how many. Raise LeaseLost."""
        event = self._event(Action.SEEDS_DESTROYED, project_id, below=to.generation)
        return await self._store.drop_seeds(lease, project_id, to.generation, event)

    async def _kind(
        self,
        kind: SealedKind,
        lease: Lease,
        project_id: UUID,
        to: WrappedSeed,
        moved: Moved,
        told: Callable[[Moved], None],
    ) -> bool:
        """Walk one kind of sealed value once; False if there was nothing to move."""
        after, tried = BEGINNING, False
        while page := await self._store.sealed_rows(
            kind, after, PAGE, project_id=str(project_id), below=to.generation
        ):
            sealed = [new for row in page if (new := await self._again(row, to, moved))]
            moved.rows += await self._store.reseal(lease, self._until(), sealed)
            tried = tried or bool(sealed)
            after = page[-1].position
            told(moved)
            await self._rest()
        return tried

    async def _again(self, row: SealedRow, to: WrappedSeed, moved: Moved) -> Resealed | None:
        if row.seed is None or row.delivery is None:
            moved.keep(row)
            return None
        context = context_of(row, row.delivery)
        try:
            secret = await self._sealer.open(row.seed, context, row.sealed)
        except SealBroken:
            moved.keep(row)
            return None
        return Resealed(row, to.generation, await self._sealer.seal(to, context, secret))

    def _event(self, action: Action, project_id: UUID, **details: AuditValue) -> AuditEvent:
        return AuditEvent(
            action, project_id, self._principal, self._clock(), str(project_id), details=details
        )

    def _until(self) -> datetime:
        return self._clock() + LEASE
