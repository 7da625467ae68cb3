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

# NULL: of a project that is gone, or from before, where what it made is gone or was a project. The
# default is whose rows the transaction sees: also of what makes a project.
_REPEATED = (
    """
    ALTER TABLE idempotent_requests ADD COLUMN project_id TEXT
        DEFAULT NULLIF(NULLIF(current_setting('regcred.project', true), ''), '*')
        REFERENCES projects (id) ON DELETE SET NULL
    """,
    "CREATE INDEX idempotent_requests_of_project ON idempotent_requests (project_id)",
    """
    UPDATE idempotent_requests SET project_id = made.project_id
    FROM (
        SELECT id, project_id FROM credentials
        UNION ALL SELECT id, project_id FROM api_keys
        UNION ALL SELECT id, project_id FROM webhooks
        UNION ALL SELECT id, project_id FROM workloads
    ) made
    WHERE made.id = idempotent_requests.resource_id
    """,
)

# A principal's key is free again when it outlived its day, whichever project it was used in, so
# every row is seen for as long as it takes: the row is written unless there is a younger one, which
# is what is returned, and a few that are too old go. Those that others have locked are theirs.
_REMEMBER = """
    CREATE FUNCTION public.regcred_remember_1(
        principal_ text, key_ text, digest_ bytea, resource text, now_ bigint, oldest bigint
    ) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY INVOKER
    AS $function$
    DECLARE
        mine text := current_setting('regcred.project', true);
        written bigint;
    BEGIN
        PERFORM set_config('regcred.project', '*', true);
        INSERT INTO public.idempotent_requests AS r (
            principal, key, digest, resource_id, at, project_id
        )
        VALUES (principal_, key_, digest_, resource, now_, NULLIF(NULLIF(mine, ''), '*'))
        ON CONFLICT (principal, key) DO UPDATE SET
            digest = excluded.digest, resource_id = excluded.resource_id, at = excluded.at,
            project_id = excluded.project_id
        WHERE r.at <= oldest;
        GET DIAGNOSTICS written = ROW_COUNT;
        DELETE FROM public.idempotent_requests WHERE (principal, key) IN (
            SELECT o.principal, o.key FROM public.idempotent_requests o
            WHERE o.at <= oldest ORDER BY o.at LIMIT 16 FOR UPDATE SKIP LOCKED
        );
        PERFORM set_config('regcred.project', mine, true);
        RETURN written = 1;
    END
    $function$
"""


def upgrade() -> None:
    """Make them on PostgreSQL. Runs inside the one transaction that the caller opened."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in (hot_read.CREATE, *_FLOOR, *_REPEATED, _REMEMBER):
            op.get_bind().exec_driver_sql(statement)
