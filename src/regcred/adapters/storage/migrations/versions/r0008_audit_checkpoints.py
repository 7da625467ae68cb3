"""States of the audit chain to start from, and the indexes that tell of projects put back.

Revision 0001 says which conventions hold.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CHECKPOINTS = (
    """
    CREATE TABLE audit_checkpoints (
        number INTEGER NOT NULL PRIMARY KEY CHECK (number >= 1),
        at INTEGER NOT NULL,
        head BLOB NOT NULL CHECK (length(head) = 32),
        deciding BLOB NOT NULL CHECK (length(deciding) = 32),
        pruned INTEGER NOT NULL CHECK (pruned IN (0, 1)),
        mac BLOB NOT NULL CHECK (length(mac) = 32)
    ) STRICT
    """,
    # The rows by which a start tells what was put back, with those of projects in them.
    "DROP INDEX deciding_events",
    """
    CREATE INDEX deciding_events ON audit_events (number)
    WHERE action IN (
        'project.created', 'project.deleted',
        'credential.created', 'credential.replaced', 'credential.updated', 'credential.deleted',
        'key.created', 'key.updated', 'key.deleted',
        'webhook.created', 'webhook.updated', 'webhook.deleted',
        'cluster.created', 'cluster.updated', 'cluster.deleted', 'workload.deleted'
    )
    """,
    """
    CREATE INDEX audited_projects ON audit_events (action, target)
    WHERE action IN ('project.created', 'project.deleted')
    """,
)


def upgrade() -> None:
    """Make the table and the indexes. Runs inside the one transaction that the caller opened."""
    for statement in _CHECKPOINTS:
        op.execute(statement)
