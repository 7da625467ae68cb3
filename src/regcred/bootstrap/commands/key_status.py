"""What hangs on each key-encryption key, whether it can be had, and when it may be removed."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.joined_rings import JoinedRings, Ring
from regcred.adapters.sealing.rewrapping import Rewrapping
from regcred.bootstrap.key_rings import each_ring
from regcred.bootstrap.stores import OpenStore, open_store, utc_now
from regcred.domain.errors import KeyringUnavailable, SealBroken
from regcred.domain.ports.rotation import StoredSeed, Wrapped
from regcred.settings import Settings

_PAGE = 500


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key of the rings, or one that the store needs and no ring has."""

    kid: str
    wrapped: Wrapped
    primary: bool
    waiting: bool
    """In the ring's file, and to become primary."""

    trouble: str
    """Why nothing opens with it; empty where it opens what it wrapped, or was not needed."""

    unused_since: datetime | None

    @property
    def well(self) -> bool:
        """Whether what hangs on it opens."""
        return not self.trouble

    @property
    def removable(self) -> bool:
        """Whether nothing in the store needs it, and it is known since when."""
        return self.wrapped.none and self.unused_since is not None and not self.primary

    @property
    def state(self) -> str:
        """Say what is to be done about it, if anything."""
        if self.trouble:
            return self.trouble
        if self.primary:
            return "primary: wraps everything new"
        if not self.wrapped.none:
            return "in use: `regcred keys rewrap` moves it to the primary"
        if self.waiting:
            return "waits to become primary"
        if self.unused_since is None:
            return "unused: `regcred keys rewrap` notes since when"
        since = self.unused_since.isoformat(timespec="seconds")
        return f"may be removed once no backup from before {since} is kept"

    def as_row(self) -> tuple[str, str, str, str]:
        """Return the cells of a table."""
        return self.kid, str(self.wrapped.seeds), str(self.wrapped.service_keys), self.state

    def as_json(self) -> dict[str, object]:
        """Return what a script reads."""
        since = self.unused_since
        return {
            "kid": self.kid,
            "primary": self.primary,
            "waiting": self.waiting,
            "seeds": self.wrapped.seeds,
            "service_keys": self.wrapped.service_keys,
            "well": self.well,
            "unused_since": None if since is None else since.isoformat(),
            "state": self.state,
        }


async def key_statuses(settings: Settings) -> list[KeyStatus]:
    """Return every key, in the rings' order, then those that no ring has.

    Opens one seed with each key: that is what "reachable" means. Raise StartRefused.
    """
    async with open_store(settings, exclusive=False) as store:
        rings = each_ring(settings, make=False, now=utc_now())
        with closing(JoinedRings(rings)) as joined:
            wrapped, unused = await store.wrapped_by(), await store.unused_since()
            kids = dict.fromkeys([*_in_order(rings), *sorted(wrapped)])
            samples = await _samples(store)
            return [
                KeyStatus(
                    kid,
                    wrapped.get(kid, Wrapped()),
                    kid == joined.primary,
                    any(isinstance(ring, FileKeyring) and ring.waiting == kid for ring in rings),
                    await _trouble(joined, kid, samples.get(kid)),
                    unused.get(kid),
                )
                for kid in kids
            ]


def _in_order(rings: list[Ring]) -> list[str]:
    return [kid for ring in rings for kid in (ring.primary, *sorted(ring.kids - {ring.primary}))]


async def _samples(store: OpenStore) -> dict[str, StoredSeed]:
    """Return a seed of each key."""
    samples: dict[str, StoredSeed] = {}
    after: StoredSeed | None = None
    while page := await store.seeds(after, _PAGE):
        for stored in page:
            samples.setdefault(stored.seed.kid, stored)
        after = page[-1]
    return samples


async def _trouble(joined: JoinedRings, kid: str, sample: StoredSeed | None) -> str:
    if not joined.knows(kid):
        return "MISSING: no key ring has it, and what it wraps does not open"
    try:
        if sample is not None:
            await Rewrapping(joined, os.urandom).check(sample)
        elif kid == joined.primary and await joined.away():
            return "away: the key service does not answer"
    except KeyringUnavailable as away:
        return f"away: {away.why}"
    except SealBroken:
        return "WRONG: a seed that it wraps does not open with it"
    return ""
