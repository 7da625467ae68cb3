"""What was moved within the last minute, so that it is not moved again."""

from __future__ import annotations

from collections.abc import Hashable

from regcred.adapters.storage.sql.rows import MICROSECOND
from regcred.domain.fetch import COARSE

FRESH = COARSE // MICROSECOND
"""Microseconds for which a last time is not moved again."""


REMEMBERED = 65536
"""Things that a `Recent` remembers."""


class Recent:
    """Remembers in memory alone, for one thread; what it forgets is moved once too often."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._moved: dict[Hashable, int] = {}

    def due(self, what: Hashable, now: int) -> bool:
        """Return whether to move `what` now; asked once, as it then counts as moved.

        What is long is better asked about by a digest: it is kept.
        """
        if now - self._moved.get(what, -FRESH) < FRESH:
            return False
        if len(self._moved) >= self._remembered:
            self._moved.clear()
        self._moved[what] = now
        return True

    def undo(self, what: Hashable) -> None:
        """Have `what` moved with the next one: it was left."""
        self._moved.pop(what, None)

    def forget(self) -> None:
        """Forget everything: the transaction that moved it is gone."""
        self._moved.clear()
