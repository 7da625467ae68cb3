"""Give a project another seed, seal everything of it anew, and destroy the old one.

The one thing you would get wrong: when to destroy. Whoever read the old seed a moment ago may still
seal under it and store that. So the new seed stands first, what is under older ones is moved, and
only after a pause that is longer than any request is what came late moved too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from regcred.domain.audit import Action, AuditEvent, AuditValue
from regcred.domain.errors import SealBroken
from regcred.domain.ports import SWAP_ATTEMPTS, Clock, SealContext, Sealer, WrappedSeed
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.rotation import KeyWrapping, Resealed, RotationStore
from regcred.domain.ports.sealed_rows import BEGINNING, SealedKind, SealedRow
from regcred.domain.secret import Secret
from regcred.usecases.rewrap_keys import LEASE, Rest
from regcred.usecases.sealed_places import context_of

PAGE = 16
"""Rows of one commit: a millisecond, in which no other write is made."""


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

        What does not open keeps its seed for good, so an older one alone is no sign of such a run.
        Raise LeaseLost, ProjectNotFound, KeyringUnavailable.
        """
        seeds = await self._store.project_seeds(project_id)
        newest = seeds[-1]
        if len(seeds) > 1 and not await self._all_is_broken(project_id, newest):
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

    async def keep(self, lease: Lease) -> None:
        """Hold the lease for longer. Raise LeaseLost."""
        await self._store.reseal(lease, self._until(), [])

    async def _all_is_broken(self, project_id: UUID, newest: WrappedSeed) -> bool:
        """Whether anything is under an older seed, and none of it opens."""
        found = False
        for kind in SealedKind:
            async for page in self._left(kind, project_id, newest):
                if any([await self._open(row) for row in page]):
                    return False
                found = True
        return found

    async def _left(
        self, kind: SealedKind, project_id: UUID, to: WrappedSeed
    ) -> AsyncIterator[Sequence[SealedRow]]:
        """Yield what is under older seeds, page by page."""
        after = BEGINNING
        while page := await self._store.sealed_rows(
            kind, after, PAGE, project_id=str(project_id), below=to.generation
        ):
            yield page
            after = page[-1].position

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
        tried = False
        async for page in self._left(kind, project_id, to):
            sealed = [new for row in page if (new := await self._again(row, to, moved))]
            moved.rows += await self._store.reseal(lease, self._until(), sealed)
            tried = tried or bool(sealed)
            told(moved)
            await self._rest()
        return tried

    async def _again(self, row: SealedRow, to: WrappedSeed, moved: Moved) -> Resealed | None:
        opened = await self._open(row)
        if opened is None:
            moved.keep(row)
            return None
        context, secret = opened
        return Resealed(row, to.generation, await self._sealer.seal(to, context, secret))

    async def _open(self, row: SealedRow) -> tuple[SealContext, Secret] | None:
        """Return what a row holds and what it is bound to, if it opens."""
        if row.seed is None or row.delivery is None:
            return None
        context = context_of(row, row.delivery)
        try:
            return context, await self._sealer.open(row.seed, context, row.sealed)
        except SealBroken:
            return None

    def _event(self, action: Action, project_id: UUID, **details: AuditValue) -> AuditEvent:
        return AuditEvent(
            action, project_id, self._principal, self._clock(), str(project_id), details=details
        )

    def _until(self) -> datetime:
        return self._clock() + LEASE
