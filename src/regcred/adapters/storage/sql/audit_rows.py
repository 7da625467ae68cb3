"""An audit row's columns, and the bytes of it that are signed."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from regcred.adapters.storage.sql.rows import Row

COLUMNS = (
    "number, at, project_id, action, principal, target, secret_version, request_id, "
    "last_request_id, count, peer, details"
)
_WIDTH = 12

DECIDING = """(
        'project.created', 'project.deleted',
        'credential.created', 'credential.replaced', 'credential.updated', 'credential.deleted',
        'key.created', 'key.updated', 'key.deleted',
        'webhook.created', 'webhook.updated', 'webhook.deleted',
        'cluster.created', 'cluster.updated', 'cluster.deleted', 'workload.deleted'
    )"""
"""Actions by which it is told what was set back: the index `deciding_events`, word for word.

It may grow by actions that no earlier release wrote, and by no others: a checkpoint holds a chain
over the rows of all of them.
"""

MAX_ROWS = 64
"""What one INSERT takes."""


@lru_cache(maxsize=MAX_ROWS)
def insert(rows: int) -> str:
    """Return the statement for so many rows of COLUMNS and mac, at most MAX_ROWS.

    One statement for many rows, because each run of a statement hands the interpreter's lock to
    the event loop and has to win it back.
    """
    row = f"({', '.join('?' * (_WIDTH + 1))})"
    return (
        f"INSERT INTO audit_events ({COLUMNS}, mac) "  # noqa: S608  constants alone
        f"VALUES {', '.join([row] * rows)}"
    )


_LABEL = b"regcred-audit-row-v1"
_LENGTHS = Struct(f">{2 + _WIDTH}I")


def signed_bytes(row: Row) -> bytes:
    """Return what the signature of a row of COLUMNS is over.

    How many parts there are, how long each is (4 bytes each, big-endian), then the parts: a
    label and every column. Numbers are decimal text; an absent secret_version is the empty part.
    """
    parts = [_LABEL, *[b"" if value is None else str(value).encode() for value in row]]
    return _LENGTHS.pack(1 + _WIDTH, *map(len, parts)) + b"".join(parts)
