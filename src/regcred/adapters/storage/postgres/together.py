"""What waits in the same turn of the event loop goes together, and what comes meanwhile follows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from regcred.domain.errors import StoreUnavailable

_A = TypeVar("_A")
_B = TypeVar("_B")

MAX_WAITING = 8192


class _Group(NamedTuple, Generic[_A, _B]):
    """Requests that were asked together, and are answered together."""

    requests: Sequence[_A]
    future: asyncio.Future[Sequence[_B | Exception]]


class Together(Generic[_A, _B]):
    """Gathers requests and has them answered in batches, so many batches at a time."""

    def __init__(
        self,
        answer: Callable[[Sequence[_A]], Awaitable[Sequence[_B | Exception]]],
        *,
        most: int,
        lanes: int = 1,
    ) -> None:
        """`answer` returns an outcome for every request of a batch of up to `most`."""
        self._answer = answer
        self._most = most
        self._free = self._lanes = lanes
        self._waiting: deque[_Group[_A, _B]] = deque()
        self._many = 0
        self._called = False
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, request: _A) -> _B:
        """Return the answer, or raise it. Raise StoreUnavailable when too many wait already."""
        (outcome,) = await self._asked((request,))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def ask_all(self, requests: Sequence[_A]) -> list[_B | Exception]:
        """Return the answer to each, or what `ask` would raise."""
        most = self._most
        outcomes: list[_B | Exception] = []
        for asked in [
            self._asked(requests[start : start + most]) for start in range(0, len(requests), most)
        ]:
            outcomes += await asked
        return outcomes

    def _asked(self, requests: Sequence[_A]) -> asyncio.Future[Sequence[_B | Exception]]:
        if self._many >= MAX_WAITING:
            raise StoreUnavailable("too many requests wait for the database")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[_B | Exception]] = loop.create_future()
        self._waiting.append(_Group(requests, future))
        self._many += len(requests)
        if not self._called and self._free:
            self._called = True
            # Once the loop has run what is ready now: requests come in waves.
            loop.call_soon(self._begin)
        return future

    @property
    def waiting(self) -> int:
        """How many requests wait for a batch."""
        return self._many

    @property
    def idle(self) -> bool:
        """Whether nobody waits, for a batch or in one."""
        return not self._waiting and self._free == self._lanes

    async def finish(self) -> None:
        """Wait until nothing waits."""
        while self._waiting or self._running:
            await asyncio.sleep(0)
            if self._running:
                await asyncio.wait(self._running)

    def _begin(self) -> None:
        self._called = False
        while self._free and self._waiting:
            self._free -= 1
            task = asyncio.ensure_future(self._run(self._next()))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _next(self) -> Sequence[_Group[_A, _B]]:
        """Take whole groups, those that have waited longest, up to a batch."""
        batch: list[_Group[_A, _B]] = []
        room = self._most
        while self._waiting and len(self._waiting[0].requests) <= room:
            batch.append(self._waiting.popleft())
            room -= len(batch[-1].requests)
        self._many -= self._most - room
        return batch

    async def _run(self, batch: Sequence[_Group[_A, _B]]) -> None:
        requests = [request for group in batch for request in group.requests]
        outcomes: Sequence[_B | Exception]
        try:
            outcomes = await self._answer(requests)
        except Exception as error:  # noqa: BLE001  whatever it is, nobody waits for ever
            outcomes = [error] * len(requests)
        finally:
            self._free += 1
        start = 0
        for group in batch:
            end = start + len(group.requests)
            if not group.future.done():  # or whoever waited is gone
                group.future.set_result(outcomes[start:end])
            start = end
        self._begin()
