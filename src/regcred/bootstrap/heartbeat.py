"""When what runs beside the server last came round, so that one that hangs is noticed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Heartbeat:
    """Beats whenever a turn was done without failing."""

    late_after: float
    """Seconds without a beat from which something is wrong."""

    _last: float = field(default_factory=time.monotonic, init=False)

    def beat(self) -> None:
        """Say that a turn was done."""
        self._last = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last beat, or since it was made."""
        return time.monotonic() - self._last

    @property
    def late(self) -> bool:
        """Whether a turn is long due."""
        return self.age > self.late_after
