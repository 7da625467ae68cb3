"""Who fetched which login, from where, and when last.

Revision 0001 says which conventions hold.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FETCHES = (
    # What is kept for a list, bounded, and goes with the credential; the audit keeps everything.
    """
    CREATE TABLE fetches (
        number INTEGER PRIMARY KEY,
        project_id TEXT NOT NULL,
        credential_id TEXT NOT NULL,
        principal TEXT NOT NULL CHECK (length(principal) <= 1024),
        client TEXT NOT NULL CHECK (length(client) <= 1024),
        image TEXT NOT NULL CHECK (length(image) <= 4096),
        node TEXT NOT NULL CHECK (length(node) <= 253),
        namespace TEXT NOT NULL CHECK (length(namespace) <= 253),
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        UNIQUE (project_id, credential_id, principal, client, image, node, namespace),
        FOREIGN KEY (project_id, credential_id)
            REFERENCES credentials (project_id, id) ON DELETE CASCADE
    ) STRICT
    """,
    "CREATE INDEX fetches_by_age ON fetches (project_id, credential_id, last_at, number)",
    # The newest last time of what is not kept. NULL: nothing is missing.
    "ALTER TABLE credentials ADD COLUMN fetches_lost_at INTEGER",
    # Who fetched before the upgrade stands in the audit alone.
    "UPDATE credentials SET fetches_lost_at = last_used_at WHERE last_used_at IS NOT NULL",
)


def upgrade() -> None:
    """Make the table and the column. Runs inside the one transaction that the caller opened."""
    for statement in _FETCHES:
        op.execute(statement)
