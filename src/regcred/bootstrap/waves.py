"""The port `Gather`: what is asked in one turn of the event loop goes together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from regcred.domain.ports import Waiting

_A = TypeVar("_A")
_B = TypeVar("_B")


class _Waiting(NamedTuple, Generic[_A, _B]):
    asked: _A
    future: asyncio.Future[_B]

    def done(self, answer: _B) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def failed(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Wave(Generic[_A, _B]):
    """Gathers what is asked. A wave does not wait for the one before it."""

    def __init__(self, answer: Callable[[Sequence[Waiting[_A, _B]]], Awaitable[None]]) -> None:
        self._answer = answer
        self._waiting: list[_Waiting[_A, _B]] = []
        self._running: set[asyncio.Task[None]] = set()

    def __call__(self, asked: _A) -> asyncio.Future[_B]:
        """Return what will be the answer."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_B] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._begin)
        self._waiting.append(_Waiting(asked, future))
        return future

    def _begin(self) -> None:
        wave, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._run(wave))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, wave: Sequence[_Waiting[_A, _B]]) -> None:
        try:
            await self._answer(wave)
        except asyncio.CancelledError:
            for waiting in wave:
                waiting.future.cancel()
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it is theirs who wait
            for waiting in wave:
                waiting.failed(error)
