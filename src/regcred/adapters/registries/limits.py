"""How often and how many checks may run: regcred must not become a scanner or a hammer."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from regcred.domain.errors import QuotaExceeded

_MAX_BUCKETS = 10_000
_MINUTE = 60.0

_Counted = TypeVar("_Counted")


@dataclass(slots=True)
class _Bucket:
    """What is left for one counted thing, as of `at`."""

    left: float
    at: float


class _Rate(Generic[_Counted]):
    """A token bucket for each counted thing: so many checks a minute, and that many at once."""

    _what: ClassVar[str]

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._burst = float(per_minute)
        self._monotonic = monotonic
        self._buckets: OrderedDict[_Counted, _Bucket] = OrderedDict()

    def take(self, counted: _Counted, /) -> None:
        """Count one check. Raise QuotaExceeded."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(counted, _Bucket(self._burst, now))
        self._buckets.move_to_end(counted)
        # What was quiet longest is forgotten first: its bucket is the fullest.
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        per_second = self._burst / _MINUTE
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        if bucket.left < 1:
            wait = math.ceil((1 - bucket.left) / per_second)
            raise QuotaExceeded(self._what, wait)
        bucket.left -= 1


class HostRate(_Rate[str]):
    """Counts the checks of each host, whoever asks for them."""

    _what = "checks of this registry"


class ProjectRate(_Rate[UUID]):
    """Counts the checks that the callers of each project ask for: the port `Allowance`."""

    _what = "checks for this project"


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
