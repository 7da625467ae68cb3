"""Wrong API keys, counted by where they came from.

Revision 0001 says which conventions hold. A server of the version before does not know the table.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WRONG_KEYS = (
    """
    CREATE TABLE wrong_keys (
        -- An IPv4 address, or an IPv6 network's first 64 bits.
        peer TEXT NOT NULL CHECK (length(peer) <= 64),
        -- The public part of a key; empty for all that came from the address.
        key_id TEXT NOT NULL CHECK (length(key_id) <= 12),
        ends_at INTEGER NOT NULL,
        seen INTEGER NOT NULL CHECK (seen >= 1),
        PRIMARY KEY (peer, key_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX wrong_keys_by_end ON wrong_keys (ends_at)",
)


def upgrade() -> None:
    """Make the table. Runs inside the one transaction that the caller opened."""
    for statement in _WRONG_KEYS:
        op.execute(statement)
