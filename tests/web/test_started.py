"""A started coroutine is the coroutine itself: whatever waits, fails or is cancelled in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import coroutine
from typing import Any

import pytest
import uvloop

from regcred.web.started import Started

_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=_LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs one claim to its end, on each of the event loops."""

    def running(claim: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=_LOOPS[request.param]) as runner:
            runner.run(claim)

    return running


class _Broken(Exception):
    pass


class _Steps:
    """A coroutine that waits so many times, and what became of it."""

    def __init__(self, waits: int = 0, error: Exception | None = None) -> None:
        self.waited = 0
        self.ended: str | None = None
        self._waits = waits
        self._error = error

    async def __call__(self) -> str:
        try:
            await self._go()
        except BaseException as error:
            self.ended = type(error).__name__
            raise
        self.ended = "returned"
        return "the value"

    async def _go(self) -> None:
        while self.waited < self._waits:
            await _later()
            self.waited += 1
        if self._error is not None:
            raise self._error


async def _later() -> None:
    """Wait for a future that something else completes."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


def test_what_need_not_wait_is_done_at_once(run: Run) -> None:
    async def claim() -> None:
        steps = _Steps()
        started = Started(steps())

        assert started.done
        assert steps.ended == "returned"
        assert await started == "the value"
        assert await started == "the value"

    run(claim())


@pytest.mark.parametrize("waits", [1, 2, 7])
def test_what_waits_goes_on_where_it_stopped(run: Run, waits: int) -> None:
    async def claim() -> None:
        steps = _Steps(waits)
        started = Started(steps())

        assert not started.done
        assert (steps.waited, steps.ended) == (0, None)
        assert await started == "the value"
        assert steps.waited == waits

    run(claim())


def test_turns_of_the_loop_are_waited_for_too(run: Run) -> None:
    """`sleep(0)` gives the loop nothing to wait for, only its turn."""

    async def claim() -> None:
        turns: list[str] = []

        async def stepping() -> None:
            await asyncio.sleep(0)
            turns.append("inner")
            await asyncio.sleep(0)

        asyncio.get_running_loop().call_soon(turns.append, "loop")
        await Started(stepping())

        assert turns == ["loop", "inner"]

    run(claim())


def test_what_came_meanwhile_is_not_missed(run: Run) -> None:
    async def claim() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def waiting() -> str:
            return await future

        started = Started(waiting())
        future.set_result("early")
        await asyncio.sleep(0)

        assert await started == "early"

    run(claim())


def test_an_error_before_it_waits_is_raised_where_it_is_started(run: Run) -> None:
    async def claim() -> None:
        with pytest.raises(_Broken):
            Started(_Steps(error=_Broken())())

    run(claim())


def test_an_error_after_it_waited_is_raised_where_it_is_awaited(run: Run) -> None:
    async def claim() -> None:
        started = Started(_Steps(2, _Broken())())

        with pytest.raises(_Broken):
            await started

    run(claim())


def test_what_is_waited_for_may_fail_and_be_dealt_with_inside(run: Run) -> None:
    async def claim() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def careful() -> str:
            try:
                return await future
            except _Broken:
                await _later()
                return "dealt with"

        started = Started(careful())
        future.set_exception(_Broken())

        assert await started == "dealt with"

    run(claim())


def test_cancellation_reaches_the_inner_coroutine_and_its_finally_runs(run: Run) -> None:
    async def claim() -> None:
        steps = _Steps(10**6)
        cleaned: list[str] = []

        async def with_cleanup() -> str:
            try:
                return await steps()
            finally:
                await _later()  # a clean-up may wait itself
                cleaned.append("cleaned")

        async def outer() -> str:
            return await Started(with_cleanup())

        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert steps.ended == "CancelledError"
        assert cleaned == ["cleaned"]
        assert task.cancelled()

    run(claim())


def test_the_inner_coroutine_may_refuse_to_be_cancelled(run: Run) -> None:
    async def claim() -> None:
        async def stubborn() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await _later()
            return "went on"

        async def outer() -> str:
            return await Started(stubborn())

        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        task.cancel()

        assert await task == "went on"

    run(claim())


def test_a_timeout_around_it_ends_what_is_inside(run: Run) -> None:
    async def claim() -> None:
        ended: list[str] = []

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("ended")

        started = Started(endless())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await started

        assert ended == ["ended"]
        await asyncio.sleep(0)  # the task itself was not cancelled

    run(claim())


def test_a_timeout_that_is_not_needed_changes_nothing(run: Run) -> None:
    async def claim() -> None:
        started = Started(_Steps(3)())
        async with asyncio.timeout(60):
            assert await started == "the value"

    run(claim())


def test_closing_what_awaits_it_closes_what_is_inside() -> None:
    steps = _Steps(1)

    @coroutine
    def waiting() -> Any:
        yield None
        return "never"

    async def inner() -> None:
        try:
            await waiting()
        except GeneratorExit:
            steps.ended = "closed"
            raise

    async def outer() -> None:
        await Started(inner())

    abandoned = outer()
    abandoned.send(None)
    abandoned.close()

    assert steps.ended == "closed"


def test_what_it_starts_may_be_any_coroutine_that_a_server_hands_over(run: Run) -> None:
    async def claim() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()

        def receive() -> Awaitable[str]:
            return queue.get()

        queue.put_nowait("first")
        there, not_there = Started(receive()), Started(receive())
        assert (there.done, not_there.done) == (True, False)
        queue.put_nowait("second")

        assert [await there, await not_there] == ["first", "second"]

    run(claim())
