"""create, whole, against bare inserts of the same row through the store's own writer."""

from __future__ import annotations

from benchmarks.common import Bench


def measure(bench: Bench) -> None:
    """Measure it."""
