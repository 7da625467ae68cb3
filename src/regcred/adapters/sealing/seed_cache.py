"""Unwrapped seeds for a while, so that a key service is asked once per project and not per read.

The one thing you would get wrong: the key. An entry is found only by the whole WrappedSeed *and*
the project it is used for, so a hit proves what an unwrap would have proven (a wrapped seed moved
to another project misses, and the unwrap refuses it).
"""

from __future__ import annotations

from collections.abc import Callable

from regcred.adapters.sealing.box import Root
from regcred.domain.ports import WrappedSeed


class SeedCache:
    """A bounded map whose entries live for `ttl` seconds, whether they are used or not.

    Entries leave in the order they came in, which is also the order they expire in. `monotonic`
    is in seconds.
    """

    __slots__ = ("_entries", "_maximum", "_monotonic", "_ttl")

    def __init__(self, monotonic: Callable[[], float], *, ttl: float, maximum: int) -> None:
        self._monotonic = monotonic
        self._ttl = ttl
        self._maximum = maximum
        self._entries: dict[tuple[str, WrappedSeed], tuple[float, Root]] = {}

    def get(self, project_id: str, seed: WrappedSeed) -> Root | None:
        """Return the seed's root if it was unwrapped for this project within `ttl`."""
        entry = self._entries.get((project_id, seed))
        if entry is None or self._monotonic() >= entry[0]:
            return None
        return entry[1]

    def put(self, project_id: str, seed: WrappedSeed, root: Root) -> None:
        """Keep a root; drop whatever has expired, and the oldest if there is no room."""
        key = (project_id, seed)
        now = self._monotonic()
        # Taken out first, so that the renewed entry goes to the end of the queue.
        self._entries.pop(key, None)
        for oldest in list(self._entries):
            if self._entries[oldest][0] > now and len(self._entries) < self._maximum:
                break
            del self._entries[oldest]
        self._entries[key] = (now + self._ttl, root)

    def __len__(self) -> int:
        return len(self._entries)
