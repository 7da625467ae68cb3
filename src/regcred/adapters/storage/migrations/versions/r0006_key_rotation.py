"""Leases, under which keys are changed, and since when a key-encryption key is not needed.

Revision 0001 says which conventions hold. An earlier program goes on working beside these tables:
it neither reads nor writes them.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    # One row for each kind of work. The token only ever grows: what was begun under an older one is
    # refused.
    """
    CREATE TABLE leases (
        name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
        token INTEGER NOT NULL CHECK (token >= 1),
        owner TEXT NOT NULL CHECK (length(owner) <= 64),
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE unused_keys (
        kid TEXT NOT NULL PRIMARY KEY CHECK (length(kid) BETWEEN 1 AND 2048),
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)


def upgrade() -> None:
    """Make the tables. Runs inside the one transaction that the caller opened."""
    for statement in _TABLES:
        op.execute(statement)
