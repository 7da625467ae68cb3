"""Run what never ends beside the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import structlog

_log = structlog.get_logger("regcred")


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `work` while the block does, and cancel it then.

    Work that fails is logged when it does, while the block goes on, and raises what it failed
    with at the block's end.
    """
    running = asyncio.create_task(work)
    running.add_done_callback(_tell)
    try:
        yield
    finally:
        running.cancel()
        # Not by awaiting the work itself: its cancellation and ours would look the same.
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


def _tell(ended: asyncio.Task[None]) -> None:
    failure = None if ended.cancelled() else ended.exception()
    if failure is not None:
        _log.error("what runs beside the server has died", error=type(failure).__name__)
