"""Wrong API keys, counted for all workers."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol


class Count(NamedTuple):
    """How many were seen since a window began, and when it ends."""

    seen: int
    ends: datetime


class WrongKeys(NamedTuple):
    """Wrong keys from one address: those with one public id, and all."""

    of_key: Count
    of_peer: Count


class WrongKeyStore(Protocol):
    """A window for each address, and for each public id that came from it."""

    async def count_wrong_key(
        self, peer: str, key_id: str, now: datetime, ends: datetime
    ) -> WrongKeys:
        """Count one more in both windows; one that ended begins anew and lasts until `ends`.

        Workers that count at the same time are each told another count. Windows that are over
        are forgotten some time later.
        """
        ...
