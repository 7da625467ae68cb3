"""Where the log's lines go: what requests say of themselves in one turn of the loop, by one call.

Made one by one amid everything else, and each written by a call of its own, they would take a
tenth of what a create takes. Nothing waits longer than the turn, warnings and errors not at all,
and lines keep their order.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

Event = MutableMapping[str, Any]


class LogStream:
    """Takes events, as structlog hands them over, and writes each as its line."""

    def __init__(self, stream: TextIO, render: Callable[[Event], str]) -> None:
        self._stream = stream
        self._render = render
        self._waiting: list[Event] = []
        self._flushing: asyncio.AbstractEventLoop | None = None
        # Entered again by the same thread where the collector of garbage has something to tell.
        self._lock = threading.RLock()
        atexit.register(self.flush)

    def info(self, event: Event) -> None:
        """Write its line in the next turn of the event loop, now if there is none."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.error(event)
            return
        with self._lock:
            if self._flushing is not loop:
                self._flushing = loop
                loop.call_soon(self.flush)
            self._waiting.append(event)

    def error(self, event: Event) -> None:
        """Write its line now, behind those that wait."""
        with self._lock:
            self._waiting.append(event)
            self.flush()

    debug = info
    warning = critical = error

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            events, self._waiting, self._flushing = self._waiting, [], None
            if events:
                self._stream.write("\n".join(map(self._render, events)) + "\n")
                self._stream.flush()
