"""How often and how many checks may run: regcred must not become a scanner or a hammer."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from regcred.domain.errors import QuotaExceeded

_MAX_HOSTS = 10_000
_MINUTE = 60.0


@dataclass(slots=True)
class _Bucket:
    """What is left for one host, as of `at`."""

    left: float
    at: float


class HostRate:
    """A token bucket for each host: `per_minute` checks a minute, and that many at once."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._burst = float(per_minute)
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, host: str) -> None:
        """Count one check of `host`. Raise QuotaExceeded."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(host, _Bucket(self._burst, now))
        self._buckets.move_to_end(host)
        # The host that was quiet longest is forgotten first: its bucket is the fullest.
        if len(self._buckets) > _MAX_HOSTS:
            self._buckets.popitem(last=False)
        per_second = self._burst / _MINUTE
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        if bucket.left < 1:
            wait = math.ceil((1 - bucket.left) / per_second)
            raise QuotaExceeded("checks of this registry", wait)
        bucket.left -= 1


class Places:
    """A bounded number of checks at once; who finds no place in time is told to come again."""

    def __init__(self, count: int, patience: float) -> None:
        """Take how many may run at once, and for how many seconds to wait for a place."""
        self._semaphore = asyncio.Semaphore(count)
        self._patience = patience

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a place. Raise QuotaExceeded."""
        try:
            async with asyncio.timeout(self._patience):
                await self._semaphore.acquire()
        except TimeoutError:
            raise QuotaExceeded("checks under way", math.ceil(self._patience)) from None
        try:
            yield
        finally:
            self._semaphore.release()
