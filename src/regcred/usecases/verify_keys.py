"""Open everything that is wrapped or sealed, and show nothing of it: how many, and which do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from regcred.domain.errors import SealBroken
from regcred.domain.ports import Sealer
from regcred.domain.ports.rotation import KeyWrapping, RotationStore, StoredSeed
from regcred.usecases.sealed_places import KINDS, context_of

PAGE = 200
_START = ("", "", "")


@dataclass(slots=True)
class Verified:
    """How many of each kind opened, and the ids of what did not, as `kind project[/id]`."""

    opened: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


class VerifyKeys:
    """Walks the whole store once. It writes nothing, and may run beside a service."""

    def __init__(self, store: RotationStore, keys: KeyWrapping, sealer: Sealer) -> None:
        self._store = store
        self._keys = keys
        self._sealer = sealer

    async def __call__(self, told: Callable[[Verified], None]) -> Verified:
        """Return what was found; `told` hears of it after each page.

        Raise KeyringUnavailable: a key that cannot be had says nothing about what hangs on it.
        """
        found = Verified()
        await self._wrapped(found, told)
        for kind in KINDS:
            await self._sealed(kind, found, told)
        return found

    async def _wrapped(self, found: Verified, told: Callable[[Verified], None]) -> None:
        for purpose, key in (await self._store.service_keys()).items():
            try:
                await self._keys.check_service_key(key)
                found.opened["service key"] += 1
            except SealBroken:
                found.broken.append(f"service key {purpose}")
        after: StoredSeed | None = None
        while page := await self._store.seeds(after, PAGE):
            for stored in page:
                try:
                    await self._keys.check(stored)
                    found.opened["seed"] += 1
                except SealBroken:
                    found.broken.append(f"seed {stored.project_id} {stored.seed.generation}")
            after = page[-1]
            told(found)

    async def _sealed(self, kind: str, found: Verified, told: Callable[[Verified], None]) -> None:
        after = _START
        while page := await self._store.sealed_rows(kind, after, PAGE):
            for row in page:
                try:
                    await self._sealer.open(row.seed, context_of(row), row.sealed)
                    found.opened[kind] += 1
                except SealBroken:
                    found.broken.append(f"{kind} {row.project_id}/{row.owner_id}")
            after = page[-1].position
            told(found)
