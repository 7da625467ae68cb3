"""By which bounds commits are counted, alike for every store."""

from __future__ import annotations

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Of how long commits take, with the work in them."""

WRITES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Of how many writes they hold."""
