"""When a sync looks again."""

from __future__ import annotations

SKEW = 300.0
"""Seconds before a login's end at which the next one is fetched: kubelets try again for as long."""

SOONEST = 10.0
"""Seconds that lie between two looks at least."""

_JITTER = 0.1
_DOUBLINGS = 10


def next_look(interval: float, failures: int, expires_in: float | None, chance: float) -> float:
    """Return the seconds until the next look; `chance` is drawn from [0, 1).

    Never later than `interval`. Before a login ends, by SKEW or by half of what is left of a short
    one. After failures soon, then each time twice as late.
    """
    seconds = interval
    if expires_in is not None and expires_in > 0:
        seconds = min(seconds, expires_in - min(SKEW, expires_in / 2))
    if failures:
        seconds = min(seconds, SOONEST * 2 ** min(failures - 1, _DOUBLINGS))
    return max(min(SOONEST, interval), seconds * (1 - _JITTER * chance))
