"""Wrap every seed and the service's key anew, by the key that is primary now.

Beside a running service: a seed is swapped only for what was read, so a project that was deleted
or wrapped by somebody else meanwhile is left as it is, and is looked at again. Stopped anywhere, it
goes on where it was: what is wrapped by the primary already is not among what it reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import SealBroken
from regcred.domain.ports import SWAP_ATTEMPTS, Clock
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.rotation import KeyWrapping, RotationStore, StoredSeed, Swap

LEASE = timedelta(seconds=60)
"""How long a rotation that is not heard of keeps others away."""

NAME = "rewrap"
PAGE = 16
"""Seeds of one commit: three calls of a key service each, well within the lease, and a millisecond
in which no other write is made."""

Rest = Callable[[], Awaitable[None]]
"""Waits after a commit, so that those who serve come first."""


@dataclass(slots=True)
class Rewrapped:
    """How much was wrapped anew, and the ids of the projects whose seeds do not open."""

    seeds: int = 0
    service_keys: int = 0
    broken: list[str] = field(default_factory=list)


class RewrapKeys:
    """One run under a lease."""

    def __init__(
        self, store: RotationStore, keys: KeyWrapping, clock: Clock, principal: str, rest: Rest
    ) -> None:
        self._rest = rest
        self._store = store
        self._keys = keys
        self._clock = clock
        self._principal = principal

    async def __call__(
        self, lease: Lease, kids: Collection[str], told: Callable[[Rewrapped], None]
    ) -> Rewrapped:
        """Return what was done; `told` hears of it after each commit.

        `kids` are the ring's keys: of those on which nothing hangs in the end it is remembered
        since when. Raise LeaseLost, KeyringUnavailable.
        """
        done = Rewrapped()
        await self._service_keys(lease, done)
        for _ in range(SWAP_ATTEMPTS):
            if not await self._seeds(lease, done, told):
                break
        primary = self._keys.primary
        event = AuditEvent(
            Action.KEYS_REWRAPPED,
            NO_PROJECT,
            self._principal,
            self._clock(),
            details={"kid": primary, "seeds": done.seeds, "service_keys": done.service_keys},
        )
        unused = sorted(set(kids) - {primary})
        await self._store.note_unused(lease, unused, self._clock(), event)
        return done

    async def _service_keys(self, lease: Lease, done: Rewrapped) -> None:
        for purpose, key in (await self._store.service_keys()).items():
            if key.kid == self._keys.primary:
                continue
            try:
                new = await self._keys.rewrap_service_key(key)
            except SealBroken:
                done.broken.append(f"service key {purpose}")
                continue
            swapped = await self._store.swap_service_key(lease, self._until(), purpose, key, new)
            done.service_keys += swapped

    async def _seeds(
        self, lease: Lease, done: Rewrapped, told: Callable[[Rewrapped], None]
    ) -> bool:
        """Walk all seeds once; False if there was nothing to wrap."""
        after: StoredSeed | None = None
        tried = False
        while page := await self._store.seeds(after, PAGE, not_by=self._keys.primary):
            swaps = [swap for stored in page if (swap := await self._swap(stored, done))]
            done.seeds += await self._store.swap_seeds(lease, self._until(), swaps)
            tried = tried or bool(swaps)
            after = page[-1]
            told(done)
            await self._rest()
        return tried

    async def _swap(self, stored: StoredSeed, done: Rewrapped) -> Swap | None:
        try:
            return Swap(stored.project_id, stored.seed, await self._keys.rewrap(stored))
        except SealBroken:
            if stored.project_id not in done.broken:
                done.broken.append(stored.project_id)
            return None

    def _until(self) -> datetime:
        return self._clock() + LEASE
