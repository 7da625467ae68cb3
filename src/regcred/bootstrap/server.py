"""uvicorn's server, stopped by a signal: what was taken is answered, and then it is done."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class Stopping:
    """Whether the service was told to stop: it takes no connections, and is not ready."""

    begun: bool = False


class Server(uvicorn.Server):
    """Stops at the first signal within its grace, and at the second at once.

    uvicorn's own way is to raise the signal again when it is done, and to hear only SIGINT twice.
    """

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear SIGTERM and SIGINT while it runs."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, or stop."""
        self.force_exit = self.should_exit
        self.should_exit = self._stopping.begun = True
