"""Walls that were missing on PostgreSQL: the hot read's and the audit's.

Nothing on SQLite, where whoever has the file has all of it. A server of the version before goes on:
it calls `regcred_resolve_1`, which stays and is let go by the next revision.
"""

from __future__ import annotations

from alembic import op

from regcred.adapters.storage.migrations import hot_read

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# How long audit rows are kept whatever the service's role says. The owner's to change: as short as
# the shortest that the service may be told, until then.
_FLOOR = (
    """
    CREATE TABLE audit_floor (
        id BIGINT PRIMARY KEY CHECK (id = 1),
        days BIGINT NOT NULL CHECK (days >= 1)
    )
    """,
    "INSERT INTO audit_floor (id, days) VALUES (1, 1)",
)


def upgrade() -> None:
    """Make them on PostgreSQL. Runs inside the one transaction that the caller opened."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in (hot_read.CREATE, *_FLOOR):
            op.get_bind().exec_driver_sql(statement)
