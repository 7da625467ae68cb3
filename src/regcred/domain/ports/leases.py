"""Which process may do what only one is to do at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

BELIEVED = timedelta(minutes=2)
"""How far ahead a lease may end. None is taken for more than a minute, and clocks differ by less
than another: what ends later was written by a clock that is wrong, or by somebody else, and would
keep everybody from the work for as long."""


class Lease(NamedTuple):
    """The right to do the work called `name`: whoever takes it next has a higher `token`."""

    name: str
    token: int


class LeaseLost(Exception):
    """Somebody else has the lease now; nothing was written."""


class Leases(Protocol):
    """Leases that every process on the store sees."""

    async def take_lease(
        self, name: str, owner: str, now: datetime, until: datetime
    ) -> Lease | None:
        """Take a lease that is free, has ended, is the owner's, or ends too late to be believed.

        None while another has it.
        """
        ...

    async def give_lease(self, lease: Lease) -> None:
        """Let a lease go, if it is still ours."""
        ...
