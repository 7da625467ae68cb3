"""Open everything that is wrapped or sealed, and show nothing of it: how many, and which do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from regcred.domain.errors import SealBroken
from regcred.domain.ports import Sealer
from regcred.domain.ports.rotation import KeyWrapping, RotationStore, StoredSeed
from regcred.usecases.scrub_secrets import ScrubSecrets

PAGE = 200


@dataclass(slots=True)
class Verified:
    """How many of each kind opened, and what did not, by id."""

    opened: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


class VerifyKeys:
    """Walks the whole store once. It writes nothing, and may run beside a service.

    Beyond what scrubbing opens, that is every seed and every key of the service itself.
    """

    def __init__(self, store: RotationStore, keys: KeyWrapping, sealer: Sealer) -> None:
        self._store = store
        self._keys = keys
        self._scrub = ScrubSecrets(store, sealer)

    async def __call__(self, told: Callable[[Verified], None]) -> Verified:
        """Return what was found; `told` hears of it after each page.

        Raise KeyringUnavailable: a key that cannot be had says nothing about what hangs on it.
        """
        found = await self.wrapped(told)
        async for step in self._scrub.walk(PAGE):
            found.opened[step.kind] += step.opened
            found.broken += map(str, step.broken)
            told(found)
        return found

    async def wrapped(self, told: Callable[[Verified], None]) -> Verified:
        """Return what was found of what is wrapped alone. Raise KeyringUnavailable."""
        found = Verified()
        for purpose, key in (await self._store.service_keys()).items():
            try:
                await self._keys.check_service_key(key)
                found.opened["service key"] += 1
            except SealBroken as error:
                found.broken.append(f"service key {purpose}: {error}")
        after: StoredSeed | None = None
        while page := await self._store.seeds(after, PAGE):
            for stored in page:
                try:
                    await self._keys.check(stored)
                    found.opened["seed"] += 1
                except SealBroken as error:
                    where = f"seed {stored.seed.generation} of project {stored.project_id}"
                    found.broken.append(f"{where}: {error}")
            after = page[-1]
            told(found)
        return found
