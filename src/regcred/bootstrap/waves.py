"""The port `Gather`: what is asked in one turn of the event loop goes together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from math import inf
from typing import ClassVar, Generic, NamedTuple, TypeVar

from regcred.domain.ports import Waiting
from regcred.web.started import Started

_A = TypeVar("_A")
_B = TypeVar("_B")


_PATIENCE = 0.005
"""Seconds: a wave may wait for what no other needs, a locked row or a database far away."""

_K = TypeVar("_K", bound=Hashable)
_F = TypeVar("_F")


class _Waiting(NamedTuple, Generic[_A, _B]):
    asked: _A
    future: asyncio.Future[_B]

    def done(self, answer: _B) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.future.cancel()
        elif not self.future.done():
            self.future.set_exception(error)


class Wave(Generic[_A, _B]):
    """Gathers what is asked. A wave does not wait for the one before it."""

    at_once: ClassVar[float] = inf
    """So many waves under way keep the next one gathering, if not for long."""

    def __init__(self, answer: Callable[[Sequence[Waiting[_A, _B]]], Awaitable[None]]) -> None:
        self._answer = answer
        self._waiting: list[Waiting[_A, _B]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._begins: asyncio.Handle | None = None
        """What begins the wave that gathers."""

    def __call__(self, asked: _A) -> asyncio.Future[_B]:
        """Return what will be the answer."""
        future: asyncio.Future[_B] = asyncio.get_running_loop().create_future()
        self.join(_Waiting(asked, future))
        return future

    def join(self, waiting: Waiting[_A, _B]) -> None:
        """Take one who is called with the answer."""
        if not self._waiting:
            loop = asyncio.get_running_loop()
            if len(self._running) < self.at_once:
                self._begins = loop.call_soon(self._begin)
            else:
                self._begins = loop.call_later(_PATIENCE, self._begin)
        self._waiting.append(waiting)

    @staticmethod
    async def each(
        read: Callable[[_K], Awaitable[_F]], asked: Iterable[_K]
    ) -> Mapping[_K, _F | Exception]:
        """Read once for all that ask alike; see the port."""
        # All are asked before any is waited for: a database that is away answers them together.
        reads = {one: Started(_outcome(read, one)) for one in dict.fromkeys(asked)}
        return {one: await started for one, started in reads.items()}

    def _begin(self) -> None:
        wave, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._run(wave))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._waiting and self._begins is not None:
            self._begins.cancel()
            self._begin()

    async def _run(self, wave: Sequence[Waiting[_A, _B]]) -> None:
        try:
            await self._answer(wave)
        except BaseException as error:
            for waiting in wave:
                waiting.failed(error)
            if not isinstance(error, Exception):
                raise


class FewWaves(Wave[_A, _B]):
    """Gathers while two waves are under way: for a store where each costs round trips.

    One is read for while the other's answers are committed. SQLite is quicker without: its reads
    go on while its writer waits for the disk.
    """

    at_once: ClassVar[float] = 2


async def _outcome(read: Callable[[_K], Awaitable[_F]], asked: _K) -> _F | Exception:
    try:
        return await read(asked)
    except Exception as error:  # noqa: BLE001  it is told to those who asked for it
        return error
