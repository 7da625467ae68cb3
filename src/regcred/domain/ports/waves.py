"""Requests that wait for the same step are answered together: a wave.

They come in waves, since those of one commit are answered at once. Taken one by one through a
long way they cost twice what they cost step by step: each step's code and pages are out of the
processor's caches when the next request comes to it (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")
_Asked_co = TypeVar("_Asked_co", covariant=True)
_Answer_contra = TypeVar("_Answer_contra", contravariant=True)


class Waiting(Protocol[_Asked_co, _Answer_contra]):
    """A request of a wave, and whoever waits for its answer."""

    @property
    def asked(self) -> _Asked_co:
        """What was asked."""
        ...

    def done(self, answer: _Answer_contra) -> None:
        """Answer, if somebody waits still."""
        ...

    def failed(self, error: BaseException) -> None:
        """Have an error raised there, if somebody waits still."""
        ...


class Gather(Protocol):
    """Makes, of what answers a wave, what one request asks."""

    def __call__(
        self, answer: Callable[[Sequence[Waiting[_Asked, _Answer]]], Awaitable[None]]
    ) -> Callable[[_Asked], Awaitable[_Answer]]:
        """Return what takes one request, and waits for its answer.

        `answer` answers each of a wave in any order. What it raises is raised to all that have no
        answer by then.
        """
        ...
