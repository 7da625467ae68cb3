"""What runs beside the server ends with it, and is heard of when it ends before."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from regcred.bootstrap.beside import beside


async def forever() -> None:
    await asyncio.Event().wait()


async def die() -> None:
    raise LookupError("a bug, with words that no log may hold")


async def test_it_ends_with_the_block() -> None:
    with capture_logs() as logs:
        async with beside(forever()):
            assert len(asyncio.all_tasks()) == 2

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert logs == []


async def test_work_that_dies_is_logged_at_once_and_raised_at_the_end() -> None:
    seen: list[object] = []

    async def block() -> None:
        async with beside(die()):
            for _ in range(3):
                await asyncio.sleep(0)
            seen.extend(logs)

    with capture_logs() as logs, pytest.raises(LookupError):
        await block()

    line = {
        "event": "what runs beside the server has died",
        "error": "LookupError",
        "log_level": "error",
    }
    assert seen == logs == [line]


async def test_work_that_is_done_is_no_trouble() -> None:
    async def done() -> None:
        """Have nothing to do."""

    with capture_logs() as logs:
        async with beside(done()):
            await asyncio.sleep(0)

    assert logs == []


async def test_who_is_cancelled_while_the_work_ends_is_cancelled() -> None:
    """The work takes a moment to end; whoever stops the block meanwhile is not overheard."""
    ending, end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        try:
            await forever()
        finally:
            ending.set()
            await end.wait()

    async def block() -> None:
        async with beside(slow()):
            await asyncio.sleep(0)

    outer = asyncio.create_task(block())
    await ending.wait()
    outer.cancel()
    await asyncio.sleep(0)
    end.set()
    await asyncio.wait([outer])

    assert outer.cancelled()
