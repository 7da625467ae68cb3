"""One rotation at a time: a lease in the store, kept alive by every write that it guards."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from regcred.bootstrap.state import State
from regcred.domain.errors import StartRefused
from regcred.domain.ports.leases import Lease, LeaseLost
from regcred.usecases.rewrap_keys import LEASE

_LOOK_EVERY = 1.0
_TELL_EVERY = 2.0
_T = TypeVar("_T")


@asynccontextmanager
async def held(state: State, name: str) -> AsyncIterator[Lease]:
    """Hold a lease, waiting for one that was left by somebody who died. Raise StartRefused."""
    owner = state.random(8).hex()
    patience = time.monotonic() + LEASE.total_seconds() + _LOOK_EVERY
    told = False
    while True:
        now = state.clock()
        lease = await state.store.take_lease(name, owner, now, now + LEASE)
        if lease is not None:
            break
        if time.monotonic() > patience:
            raise StartRefused(f"another process is at work on it ({name}): wait until it is done")
        if not told:
            say("another process is at work on it, or was: waiting until it is done or given up on")
            told = True
        await asyncio.sleep(_LOOK_EVERY)
    try:
        yield lease
    except LeaseLost:
        lost = True
    else:
        lost = False
    finally:
        await state.store.give_lease(lease)
    if lost:
        raise StartRefused(f"another process took it over ({name}): nothing is lost, run it again")


def now_and_then(words: Callable[[_T], str]) -> Callable[[_T], None]:
    """Return what says how far something is, on standard error, every two seconds at most."""
    last = time.monotonic()

    def tell(progress: _T) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY:
            last = time.monotonic()
            say(words(progress))

    return tell


def say(words: str) -> None:
    """Say something to whoever runs the command."""
    print(words, file=sys.stderr, flush=True)
