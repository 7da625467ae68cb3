"""The part of the store in memory that counts wrong API keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from regcred.domain.ports import Count, WrongKeys


class MemoryWrongKeys:
    """The port's method on wrong keys; what it builds on is the store's."""

    def __init__(self) -> None:
        super().__init__()
        self._wrong_keys: dict[tuple[str, str], Count] = {}

    async def count_wrong_key(
        self, peer: str, key_id: str, now: datetime, ends: datetime
    ) -> WrongKeys:
        self._awake()
        of_peer, of_key = (self._counted((peer, id_), now, ends) for id_ in ("", key_id))
        return WrongKeys(of_key, of_peer)

    def _counted(self, place: tuple[str, str], now: datetime, ends: datetime) -> Count:
        count = self._wrong_keys.get(place, Count(0, now))
        if count.ends <= now:
            count = Count(0, ends)
        self._wrong_keys[place] = count._replace(seen=count.seen + 1)
        return self._wrong_keys[place]

    if TYPE_CHECKING:  # the store's own

        def _awake(self) -> None: ...
