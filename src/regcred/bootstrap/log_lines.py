"""The log: JSON lines on standard error, ours and the libraries' through one chain.

The one thing you would get wrong: what a library says. Its values may be a URL, a header or a
statement, and an exception's text may quote a secret; so its message is written before values
were put into it, and of an exception its type and place.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog

from regcred.bootstrap.log_events import COMMON, CRASHED, EVENTS, LIBRARY, UNKNOWN
from regcred.bootstrap.log_stream import LogStream
from regcred.web.unexpected import innermost, kind_and_place

LONGEST = 300
"""Characters of one value; the rest is cut off."""

_QUIET = (
    "alembic", "asyncio", "httpcore2", "httpx2", "opentelemetry", "sqlalchemy", "urllib3", "uvicorn"
)  # fmt: skip
"""What they say below a warning is for whoever works on them."""

_ALLOWED = {event: fields | COMMON for event, fields in EVENTS.items()}
_PLAIN = (str, int, float)


class AllowList:
    """What may be written: fields that the event's table has, of plain values, cut to a length.

    Bytes, secrets, lists and every other object are left out, and so is a field without a value.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Events and fields that were not let through since the process began."""

    def __call__(
        self, _logger: object, _name: str, event: MutableMapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return what may be written of an event."""
        allowed = _ALLOWED.get(event["event"])
        if allowed is None:
            self.dropped += 1
            event, allowed = {**event, "event": UNKNOWN}, COMMON
        kept: dict[str, Any] = {}
        for key, value in event.items():
            if key in allowed and isinstance(value, _PLAIN):
                kept[key] = _clipped(value) if isinstance(value, str) else value
            elif value is not None:
                self.dropped += 1
        return kept


ALLOW_LIST = AllowList()
"""This process's: its log is one, as its standard error is."""


def _as_it_is(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> tuple[tuple[MutableMapping[str, Any]], dict[str, Any]]:
    """Hand an event over to the stream, as structlog calls it."""
    return (event,), {}


def _line(event: MutableMapping[str, Any]) -> str:
    allowed = ALLOW_LIST(None, "", event)
    try:
        return orjson.dumps(allowed).decode()
    except orjson.JSONEncodeError:
        # A lone surrogate, or a number of more than 64 bits.
        return json.dumps(allowed)


def log_to_stderr(level: str) -> None:
    """Write what is at least of `level`."""
    number, stream = getattr(logging, level.upper()), LogStream(sys.stderr, _line)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _as_it_is,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: stream,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(number)
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    # Python's own would print the text of warnings and exceptions, which could quote a secret.
    warnings.showwarning = _tell_warning
    sys.excepthook = _tell_crash
    threading.excepthook = lambda unhandled: _crashed(unhandled.exc_value)
    sys.unraisablehook = lambda unhandled: _crashed(unhandled.exc_value)


def _tell_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del message, file, line
    where = f"{filename.rpartition('/')[2]}:{lineno}"
    structlog.get_logger().warning(LIBRARY, logger="warnings", error=category.__name__, where=where)


def _tell_crash(
    _kind: type[BaseException], error: BaseException, _traceback: TracebackType | None
) -> None:
    _crashed(error)


def _crashed(error: BaseException | None) -> None:
    if error is not None:
        structlog.get_logger().error(CRASHED, **kind_and_place(error))


def _clipped(value: str) -> str:
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


class _Bridge(logging.Handler):
    """Hands a record of the standard library's over to the same chain."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write its message without its values, and of an exception the kind and the place."""
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            fields["where"] = innermost(record.exc_info[2])
        # The first line alone: asyncio writes an exception's own text into the next.
        message = str(record.msg).partition("\n")[0]
        structlog.get_logger().log(record.levelno, LIBRARY, message=message, **fields)
