"""How values are spread, counted where they come up and read when somebody looks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Tally:
    """Counts values by bounds, without a lock: one thread adds, any may read.

    What is read beside an `add` may miss that value, and is never less than what was read before.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take bounds in rising order; what lies above the last is counted too."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value below the first bound that is not less."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def up_to(self) -> list[tuple[float, int]]:
        """Return for every bound, and at last infinity, how many values are not above it."""
        return list(zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True))
