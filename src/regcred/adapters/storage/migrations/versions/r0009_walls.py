"""Walls that were missing on PostgreSQL: the hot read's.

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


def upgrade() -> None:
    """Make them on PostgreSQL. Runs inside the one transaction that the caller opened."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(hot_read.CREATE)
