"""What waits in the same turn of the event loop goes together, and what comes meanwhile follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from regcred.domain.errors import StoreUnavailable

_A = TypeVar("_A")
_B = TypeVar("_B")

MAX_WAITING = 8192


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
        self._waiting: list[tuple[_A, asyncio.Future[_B]]] = []
        self._called = False
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, request: _A) -> _B:
        """Return the answer, or raise it. Raise StoreUnavailable when too many wait already."""
        return await self._asked(request)

    async def ask_all(self, requests: Sequence[_A]) -> list[_B | BaseException]:
        """Return the answer to each, or what `ask` would raise."""
        return await asyncio.gather(*map(self._asked, requests), return_exceptions=True)

    def _asked(self, request: _A) -> asyncio.Future[_B]:
        if len(self._waiting) >= MAX_WAITING:
            raise StoreUnavailable("too many requests wait for the database")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_B] = loop.create_future()
        self._waiting.append((request, future))
        if not self._called and self._free:
            self._called = True
            # Once the loop has run what is ready now: requests come in waves.
            loop.call_soon(self._begin)
        return future

    @property
    def waiting(self) -> int:
        """How many requests wait for a batch."""
        return len(self._waiting)

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
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._free -= 1
            task = asyncio.ensure_future(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, batch: Sequence[tuple[_A, asyncio.Future[_B]]]) -> None:
        outcomes: Sequence[_B | Exception]
        try:
            outcomes = await self._answer([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, nobody waits for ever
            outcomes = [error] * len(batch)
        finally:
            self._free += 1
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue  # whoever waited is gone
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._begin()
