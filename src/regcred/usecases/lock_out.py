"""Count wrong API keys by where they come from, and tell whoever sends many to stop.

The one thing you would get wrong: whom to lock out. A key's public id is no secret, and an address
is shared by all that sit behind one router or proxy. Were anybody refused for what came before,
a stranger who knows an id, or sits behind the same router, could keep a customer's nodes from
pulling. So a right secret opens whatever was counted, and only what is refused anyway is refused
otherwise. Against guessing that gives nothing away: a secret has 256 bits, and no limit on tries
is needed to keep them. What this bounds is noise: writes, log lines, and look-ups of a scan.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from regcred.domain.errors import NotAuthenticated, QuotaExceeded, StoreUnavailable
from regcred.domain.peer import counted_as
from regcred.domain.ports import Clock, Count, WrongKeyStore

OF_KEY = 10
"""Wrong keys with one public id from one address in a window: a node with an old key asks on."""

OF_PEER = 100
"""Wrong keys of one address in a window: many nodes may share it."""

WINDOW = timedelta(minutes=1)
_REMEMBERED = 10_000
_WHAT = "requests with unknown or revoked API keys from this address"


@dataclass(slots=True)
class _Seen:
    """What this process knows of a window, and how many it asks the store to count now."""

    count: int
    ends: datetime
    asking: int = 0


class LockOut:
    """Counts in the store, for all workers, until a window is full; then not at all."""

    def __init__(self, store: WrongKeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._windows: OrderedDict[tuple[str, str], _Seen] = OrderedDict()

    async def refused(self, why: NotAuthenticated, key_id: str, peer: str) -> None:
        """Count a refusal, if it is one of a wrong key. Raise QuotaExceeded in its place.

        Of any window no more than its limit return, over all workers together; where the store
        cannot count, they do.
        """
        if why.reason != "unknown":
            return
        now, address = self._clock(), counted_as(peer)
        of_key, of_peer = self._seen((address, key_id), now), self._seen((address, ""), now)
        _require(of_key, OF_KEY, now)
        _require(of_peer, OF_PEER, now)
        of_key.asking += 1
        of_peer.asking += 1
        try:
            told = await self._store.count_wrong_key(address, key_id, now, now + WINDOW)
        except StoreUnavailable:
            return
        finally:
            of_key.asking -= 1
            of_peer.asking -= 1
        _note(of_key, told.of_key)
        _note(of_peer, told.of_peer)
        for count, limit in ((told.of_key, OF_KEY), (told.of_peer, OF_PEER)):
            if count.seen > limit:
                raise _too_many(count.ends, now)

    def _seen(self, counted: tuple[str, str], now: datetime) -> _Seen:
        seen = self._windows.setdefault(counted, _Seen(0, now + WINDOW))
        if seen.ends <= now:
            seen.count, seen.ends = 0, now + WINDOW
        if len(self._windows) > _REMEMBERED:
            self._windows.popitem(last=False)  # the store still knows
        return seen


def _require(seen: _Seen, limit: int, now: datetime) -> None:
    if seen.count + seen.asking >= limit:
        raise _too_many(seen.ends, now)


def _note(seen: _Seen, told: Count) -> None:
    seen.count, seen.ends = max(seen.count, told.seen), told.ends


def _too_many(ends: datetime, now: datetime) -> QuotaExceeded:
    return QuotaExceeded(_WHAT, max(1, math.ceil((ends - now).total_seconds())))
