"""Every event that may stand in the log, with the fields that it may have.

An allow-list: what is not here is not written. `tests/house/test_log_events.py` holds the table to
the source and docs/monitoring.md to the table.
"""

from __future__ import annotations

from collections.abc import Mapping

LIBRARY = "library"
"""What a library said, uvicorn among them: its message before values were put into it."""

CRASHED = "crashed"
"""An exception that nobody caught."""

UNKNOWN = "an event that is not in the table"
"""Stands for an event whose name could be anything."""

COMMON = frozenset({"event", "level", "timestamp"})

_FAILED = frozenset({"error", "where"})
_NONE: frozenset[str] = frozenset()

EVENTS: Mapping[str, frozenset[str]] = {
    "request": frozenset({"request_id", "method", "route", "status", "duration_ms", "reason"}),
    "failed": frozenset({"request_id", "error", "reason"}),
    "internal error": frozenset({"request_id"}) | _FAILED,
    "serving": frozenset({"address", "version"}),
    "serving metrics": frozenset({"address"}),
    "stopped": _NONE,
    "what runs beside the server has died": frozenset({"error"}),
    "a worker failed": frozenset({"error"}),
    "a worker has died": frozenset({"code", "pause"}),
    "a worker was refused its start": frozenset({"reason"}),
    "a variable is no setting": frozenset({"reason"}),
    "the database is not safe": frozenset({"reason"}),
    "the audit has no anchor": frozenset({"reason"}),
    "rollback accepted": frozenset({"reason"}),
    "the audit was edited": frozenset({"reason", "count"}),
    "the audit cannot be verified": _FAILED,
    "the store was set back": frozenset({"reason"}),
    "the audit anchor was changed": frozenset({"reason"}),
    "the audit is pruned": frozenset({"upto"}),
    "the audit cannot be pruned": _FAILED,
    "audit chain stands still": _FAILED,
    "every sealed row was opened": frozenset({"count"}),
    "a sealed row does not open": frozenset({"project", "reason"}),
    "scrubbing waits for the key ring": frozenset({"reason"}),
    "scrubbing stands still": _FAILED,
    "scrubbing is late": _NONE,
    "automatic checks stand still": _FAILED,
    "automatic checks wait for their turn": frozenset({"count"}),
    "automatic check not made": _FAILED | {"project"},
    "renewing logins stands still": _FAILED,
    "a login was not renewed": _FAILED,
    "event delivery": frozenset({"status", "project"}),
    "events cannot be claimed": _FAILED,
    "an event cannot be delivered": _FAILED | {"project"},
    "the key ring was read again": frozenset({"count"}),
    "the key ring lost keys": _NONE,
    "the key ring cannot be read again": frozenset({"error"}),
    CRASHED: _FAILED,
    LIBRARY: _FAILED | {"logger", "message"},
}
