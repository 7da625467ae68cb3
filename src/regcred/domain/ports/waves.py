"""Requests that wait for the same step are answered together: a wave.

They come in waves, since those of one commit are answered at once. Taken one by one through a
long way they cost twice what they cost step by step: each step's code and pages are out of the
processor's caches when the next request comes to it (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")
_Asked_contra = TypeVar("_Asked_contra", contravariant=True)
_Answer_co = TypeVar("_Answer_co", covariant=True)
_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")
_Asked_co = TypeVar("_Asked_co", covariant=True)
_Answer_contra = TypeVar("_Answer_contra", contravariant=True)


class Waiting(Protocol[_Asked_co, _Answer_contra]):
    """A request of a wave, and whoever waits for its answer: the first that it is told."""

    @property
    def asked(self) -> _Asked_co:
        """What was asked."""
        ...

    def done(self, answer: _Answer_contra) -> None:
        """Answer, if somebody waits still. Raises nothing: others of the wave come after it."""
        ...

    def failed(self, error: BaseException) -> None:
        """Tell of an error, if somebody waits still. Raises nothing."""
        ...


class Gathering(Protocol[_Asked_contra, _Answer_co]):
    """Where requests meet."""

    def __call__(self, asked: _Asked_contra) -> Awaitable[_Answer_co]:
        """Take one request, and wait for its answer. Raise what it failed with."""
        ...

    def join(self, waiting: Waiting[_Asked_contra, _Answer_co]) -> None:
        """Take one request of somebody who is called with the answer."""
        ...


class Gather(Protocol):
    """Makes, of what answers a wave, where requests meet."""

    def __call__(
        self, answer: Callable[[Sequence[Waiting[_Asked, _Answer]]], Awaitable[None]]
    ) -> Gathering[_Asked, _Answer]:
        """Return it.

        `answer` answers each of a wave in any order. What it raises is raised to all that have no
        answer by then.
        """
        ...

    def each(
        self, read: Callable[[_Key], Awaitable[_Found]], asked: Iterable[_Key]
    ) -> Awaitable[Mapping[_Key, _Found | Exception]]:
        """Read once for all that ask alike, side by side; what is raised is theirs alone."""
        ...
