"""Walls that were missing on PostgreSQL: the hot read's, the audit's, the repeated requests'.

Nothing on SQLite, where whoever has the file has all of it. A server of the version before goes on:
it calls `regcred_resolve_1`, which stays and is let go by the next revision; its requests' rows get
their project by default.
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

# NULL: what made a project, and is no project's. The default is whose rows the transaction sees.
_REPEATED = (
    """
    ALTER TABLE idempotent_requests ADD COLUMN project_id TEXT
        DEFAULT NULLIF(NULLIF(current_setting('regcred.project', true), ''), '*')
        REFERENCES projects (id) ON DELETE CASCADE
    """,
    "CREATE INDEX idempotent_requests_of_project ON idempotent_requests (project_id)",
    """
    UPDATE idempotent_requests SET project_id = made.project_id
    FROM (
        SELECT id, project_id FROM credentials
        UNION ALL SELECT id, project_id FROM webhooks
        UNION ALL SELECT id, project_id FROM workloads
    ) made
    WHERE made.id = idempotent_requests.resource_id
    """,
)


def upgrade() -> None:
    """Make them on PostgreSQL. Runs inside the one transaction that the caller opened."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in (hot_read.CREATE, *_FLOOR, *_REPEATED):
            op.get_bind().exec_driver_sql(statement)
