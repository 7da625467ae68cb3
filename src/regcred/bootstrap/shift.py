"""What one process is enough for, done by one of however many serve a store.

A lease in the store decides (`domain/ports/leases.py`). Nothing rests on it: a second process
that thinks it has the shift does the same work again, and each of its writes is whole by itself.
What must not be done twice (checks, exchanges, messages) is claimed row by row instead.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from regcred.bootstrap.state import State
from regcred.domain.ports import Clock
from regcred.domain.ports.leases import Lease, Leases

LASTS = timedelta(seconds=60)
"""How long nobody does the work after whoever did it has died."""

TRUSTED = 86_400.0
"""Seconds for which another's lease is reason enough to do nothing, unless it says otherwise."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Shift:
    """One process's part in the work called `name`; `owner` is a name that no other has."""

    store: Leases
    clock: Clock
    name: str
    owner: str
    _until: datetime = field(default=_NEVER, init=False)
    _lease: Lease | None = field(default=None, init=False)

    async def mine(self) -> bool:
        """Whether this process is to do the work now. Raise StoreUnavailable.

        Asked at every step; the store is asked once in half a lease.
        """
        now = self.clock()
        # One that ends later than it was taken for was taken before the clock was set back.
        if not LASTS / 2 <= self._until - now <= LASTS:
            self._lease = await self.store.take_lease(self.name, self.owner, now, now + LASTS)
            self._until = _NEVER if self._lease is None else now + LASTS
        return self._lease is not None


@dataclass(slots=True)
class Rounds:
    """Rounds of such a work, as one process takes them.

    A lease says that somebody is to do it and not that it is done, so after `trusted` seconds a
    process does a round of its own, whoever has the lease.
    """

    mine: Callable[[], Awaitable[bool]]
    trusted: float = TRUSTED
    monotonic: Callable[[], float] = time.monotonic
    _ended: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin as if a round had just ended."""
        self.end()

    @property
    def age(self) -> float:
        """Seconds since a whole round of this process ended, or since it began to count."""
        return self.monotonic() - self._ended

    async def may_go_on(self) -> bool:
        """Whether this process is to do the work now. Raise StoreUnavailable."""
        return self.age >= self.trusted or await self.mine()

    def end(self) -> None:
        """Note that a round is whole."""
        self._ended = self.monotonic()


async def alone() -> bool:
    """Return True: nobody else serves the store."""
    return True


def shift_of(state: State, name: str) -> Callable[[], Awaitable[bool]]:
    """Return what tells whether this process does the work called `name` now."""
    if not state.store.shared:
        return alone
    return Shift(state.store, state.clock, name, state.random(8).hex()).mine
