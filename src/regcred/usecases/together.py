"""Steps that the requests which wait take together."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine


@coroutine
def together() -> Generator[None, None, None]:
    """Let every request that is ready come here before any goes on.

    Requests come in waves, since those of one commit are answered at once. Taken through a long
    way one by one they cost a third more than step by step: each step's code and pages are out of
    the processor's caches when the next request comes to it (docs/benchmarks.md).
    """
    yield
