"""What the process does to itself before it holds a secret."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from regcred.web.unexpected import innermost

_PR_SET_DUMPABLE = 4

# An allow-list: whatever else a caller puts into an event is dropped before it is written.
_FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "logger",
        "request_id",
        "method",
        "route",
        "status",
        "duration_ms",
        "error",
        "where",
        "project",
        "version",
        "address",
        "upto",
        "reason",
        "count",
    }
)


def harden() -> None:
    """Make new files private, cores impossible, and /proc closed to others of the same user.

    Security facts, A22: with the process not dumpable, its memory and environment cannot be read
    through /proc by another process of the same user.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def log_to_stderr(level: str) -> None:
    """Write JSON lines to standard error, every field from the allow-list."""
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allow_listed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(number)
    # Libraries log URLs, statements and headers at these levels; none of that is ours to keep.
    for library in ("httpcore2", "httpx2", "alembic", "sqlalchemy", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _allow_listed(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    return {
        key: value
        for key, value in event.items()
        if key in _FIELDS and isinstance(value, str | int | float | bool | None)
    }


class _Bridge(logging.Handler):
    """Standard-library records as one JSON line each: message alone, no traceback's locals."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over; the kind and place of an exception, never its text."""
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            fields["where"] = innermost(record.exc_info[2])
        # The first line alone: asyncio writes an exception's own text into the next.
        message = record.getMessage().partition("\n")[0]
        structlog.get_logger().log(record.levelno, message, **fields)
