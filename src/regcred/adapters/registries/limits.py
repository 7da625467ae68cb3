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
_REFUSALS, _QUARTER_OF_AN_HOUR = 3, 900.0
_FURTHEST = 3600.0
"""Seconds ahead that a turn is given at most."""

_Counted = TypeVar("_Counted")


@dataclass(slots=True)
class _Bucket:
    """What is left for one counted thing, as of `at`."""

    left: float
    at: float
    given: float = 0.0
    """The latest turn that was given to one who comes second."""


class _Rate(Generic[_Counted]):
    """A token bucket for each counted thing: so many checks a minute, and that many at once."""

    _what: ClassVar[str]

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._burst = float(per_minute)
        self._per_second = self._burst / _MINUTE
        self._monotonic = monotonic
        self._buckets: OrderedDict[_Counted, _Bucket] = OrderedDict()

    def take(self, counted: _Counted, /) -> None:
        """Count one check. Raise QuotaExceeded."""
        bucket = self._filled(counted)
        if bucket.left < 1:
            wait = math.ceil((1 - bucket.left) / self._per_second)
            raise QuotaExceeded(self._what, wait)
        bucket.left -= 1

    def _filled(self, counted: _Counted) -> _Bucket:
        """Return the bucket with what it holds now."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(counted, _Bucket(self._burst, now))
        self._buckets.move_to_end(counted)
        # What was quiet longest is forgotten first: its bucket is the fullest.
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._per_second)
        bucket.at = now
        return bucket


class HostRate(_Rate[str]):
    """Counts the checks of each host, whoever asks for them."""

    _what = "checks of this registry"

    def take_second(self, host: str) -> None:
        """Count a check that nobody waits for: half of the rate is left to people.

        Raise QuotaExceeded. Who is refused gets a turn of their own (`retry_after`): many that
        come at once would otherwise come again at once, and be refused again but for a few.
        """
        bucket = self._filled(host)
        missing = 1 + self._burst // 2 - bucket.left
        if missing > 0:
            turn = bucket.at + missing / self._per_second
            turn = max(turn, bucket.given + 1 / self._per_second)
            bucket.given = min(turn, bucket.at + _FURTHEST)
            raise QuotaExceeded(self._what, math.ceil(bucket.given - bucket.at))
        bucket.left -= 1


class Refusals(_Rate[tuple[str, str]]):
    """Counts what each registry refused of each user name unasked, whoever stored it.

    A tenant may store as many guesses at somebody's password as it likes, and what is checked
    without being asked would try them all, which is how accounts are locked out. What people ask
    for has its own bounds, and must not keep the checks of others from running.
    """

    _what = "refusals of this user name"

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__(_REFUSALS, monotonic)
        self._per_second = _REFUSALS / _QUARTER_OF_AN_HOUR

    def note(self, host: str, username: str) -> None:
        """Count a refusal."""
        bucket = self._filled((host, username.casefold()))
        bucket.left = max(0.0, bucket.left - 1)

    def require_few(self, host: str, username: str) -> None:
        """Pass if there were few lately. Raise QuotaExceeded."""
        counted = (host, username.casefold())
        if counted not in self._buckets:
            return  # looking takes no room from what was counted
        missing = 1 - self._filled(counted).left
        if missing > 0:
            raise QuotaExceeded(self._what, math.ceil(missing / self._per_second))


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
