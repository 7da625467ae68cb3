"""A coroutine that is run until it first has to wait, to see whether it has to at all.

`asyncio.timeout` sets a timer and takes it back; around something that is nearly always done at
once that is most of the cost. Who starts the coroutine by hand needs no timer in that case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

_T = TypeVar("_T")


class Started(Generic[_T]):
    """`done` tells whether it came to its end; awaiting it goes on where it stopped.

    Raise what the coroutine raises before it first waits.
    """

    __slots__ = ("_coroutine", "_value", "_yielded", "done")

    def __init__(self, awaitable: Awaitable[_T]) -> None:
        # What a server's `receive` returns is a coroutine, though ASGI promises no more than
        # something to await.
        coroutine = cast("Coroutine[Any, Any, _T]", awaitable)
        self._coroutine = coroutine
        self._yielded: Any = None
        try:
            self._yielded = coroutine.send(None)
            self.done = False
        except StopIteration as end:
            self._value: _T = end.value
            self.done = True

    def __await__(self) -> Generator[Any, Any, _T]:
        """Hand on what the coroutine waits for, and to it what the event loop answers."""
        if self.done:
            return self._value
        waits_for = self._yielded
        try:
            while True:
                try:
                    answer = yield waits_for
                except BaseException as error:  # noqa: BLE001  cancellation too is its own to see
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(answer)
        except StopIteration as end:
            value: _T = end.value
            return value
