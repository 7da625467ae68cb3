"""Exchanged logins, automatic checks, events and the webhooks that carry them.

Revision 0001 says which conventions hold. Columns that this adds to old rows say "not planned
yet": the first sweep after the upgrade plans them.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LOGINS = (
    # What a stored secret was exchanged for. One row for each place of a credential (a region;
    # '' where there is only one), which also holds who is exchanging and how it failed.
    """
    CREATE TABLE credential_logins (
        project_id TEXT NOT NULL,
        credential_id TEXT NOT NULL,
        place TEXT NOT NULL CHECK (length(place) <= 255),
        secret_version INTEGER NOT NULL CHECK (secret_version >= 1),
        seed_generation INTEGER,
        sealed BLOB CHECK (length(sealed) BETWEEN 1 AND 32768),
        expires_at INTEGER,
        refresh_at INTEGER,
        claim TEXT CHECK (length(claim) <= 64),
        claimed_until INTEGER,
        failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
        failure TEXT CHECK (length(failure) <= 32),
        failure_note TEXT CHECK (length(failure_note) <= 1024),
        PRIMARY KEY (project_id, credential_id, place),
        FOREIGN KEY (project_id, credential_id)
            REFERENCES credentials (project_id, id) ON DELETE RESTRICT,
        FOREIGN KEY (project_id, seed_generation)
            REFERENCES project_seeds (project_id, generation) ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE INDEX logins_due ON credential_logins (refresh_at)
    WHERE refresh_at IS NOT NULL
    """,
    """
    CREATE INDEX logins_wanted ON credential_logins (refresh_at)
    WHERE refresh_at IS NOT NULL AND sealed IS NULL
    """,
)

_CHECKS = (
    """
    ALTER TABLE projects ADD COLUMN recheck_every INTEGER NOT NULL DEFAULT 86400
    CHECK (recheck_every = 0 OR recheck_every BETWEEN 900 AND 2592000)
    """,
    # When the next automatic check is due; a claim moves it ahead. NULL: it rests.
    "ALTER TABLE credentials ADD COLUMN check_at INTEGER",
    """
    ALTER TABLE credentials ADD COLUMN check_failures INTEGER NOT NULL DEFAULT 0
    CHECK (check_failures >= 0)
    """,
    "ALTER TABLE credentials ADD COLUMN check_image TEXT CHECK (length(check_image) <= 4096)",
    # When the next notice of a near expiry is due. NULL: none is left to give.
    "ALTER TABLE credentials ADD COLUMN notice_at INTEGER",
    # Up to which number a project's credentials have a plan of its present interval. NULL: all.
    "ALTER TABLE projects ADD COLUMN replan_after INTEGER",
    "UPDATE projects SET replan_after = 0",
    "CREATE INDEX projects_to_replan ON projects (number) WHERE replan_after IS NOT NULL",
    # The next of the notices (30, 14, 7 and 1 days before the end, and at the end) that comes
    # after the upgrade: it is no news that a login ended, or came near its end, before.
    """
    UPDATE credentials SET notice_at = (
        SELECT min(expires_at - days.column1 * 86400000000)
        FROM (VALUES (30), (14), (7), (1), (0)) AS days
        WHERE expires_at - days.column1 * 86400000000
            > CAST(strftime('%s', 'now') AS INTEGER) * 1000000
    )
    WHERE expires_at IS NOT NULL
    """,
    "CREATE INDEX checks_due ON credentials (check_at) WHERE check_at IS NOT NULL",
    "CREATE INDEX notices_due ON credentials (notice_at) WHERE notice_at IS NOT NULL",
)

_EVENTS = (
    # How many there are, so that keeping only the newest costs no counting.
    """
    ALTER TABLE projects ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0
    CHECK (event_count >= 0)
    """,
    # No foreign key to the credential: the event outlives it.
    """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
        credential_id TEXT NOT NULL CHECK (length(credential_id) = 36),
        credential_name TEXT NOT NULL CHECK (length(credential_name) BETWEEN 1 AND 255),
        details TEXT NOT NULL CHECK (length(details) <= 16384)
    ) STRICT
    """,
    "CREATE INDEX events_of_project ON events (project_id, number)",
    "CREATE INDEX events_of_credential ON events (project_id, credential_id, number)",
    """
    CREATE TABLE webhooks (
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
        id TEXT NOT NULL CHECK (length(id) = 36),
        url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
        kinds TEXT NOT NULL CHECK (length(kinds) <= 4096),
        disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        secret_version INTEGER NOT NULL CHECK (secret_version >= 1),
        seed_generation INTEGER NOT NULL,
        sealed BLOB NOT NULL CHECK (length(sealed) BETWEEN 1 AND 32768),
        last_status TEXT CHECK (length(last_status) <= 32),
        last_at INTEGER,
        -- How many deliveries wait for it, so that keeping only the newest costs no counting, and
        -- when the first is due (NULL: none waits).
        waiting INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0),
        due_at INTEGER,
        -- Until when it rests or, if it is claimed, has a delivery under way: one at a time.
        held_until INTEGER NOT NULL DEFAULT 0,
        claimed INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1)),
        failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
        PRIMARY KEY (project_id, id),
        FOREIGN KEY (project_id, seed_generation)
            REFERENCES project_seeds (project_id, generation) ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID
    """,
    # The outbox: a row for each event and webhook that it still has to reach, written in the
    # event's own transaction.
    """
    CREATE TABLE webhook_deliveries (
        event_number INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
        project_id TEXT NOT NULL,
        webhook_id TEXT NOT NULL,
        due_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        PRIMARY KEY (event_number, webhook_id),
        FOREIGN KEY (project_id, webhook_id)
            REFERENCES webhooks (project_id, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
    # When the next delivery may be made: neither what waits nor what rests is in a look's way.
    """
    CREATE INDEX webhooks_due ON webhooks (max(due_at, held_until)) WHERE due_at IS NOT NULL
    """,
    "CREATE INDEX webhooks_claimed ON webhooks (project_id, held_until) WHERE claimed = 1",
    "CREATE INDEX deliveries_of_webhook ON webhook_deliveries (project_id, webhook_id, due_at)",
    # By number, for dropping the oldest.
    "CREATE INDEX deliveries_by_age ON webhook_deliveries (project_id, webhook_id, event_number)",
)

_AUDIT = (
    # The three of revision 0001 by which a start notices what was put back, with webhooks in them.
    "DROP INDEX audited_versions",
    """
    CREATE INDEX audited_versions ON audit_events (project_id, target, secret_version)
    WHERE action IN (
        'credential.created', 'credential.replaced', 'credential.updated',
        'key.created', 'key.updated', 'webhook.created', 'webhook.updated'
    )
    """,
    "DROP INDEX audited_deletions",
    """
    CREATE INDEX audited_deletions ON audit_events (target)
    WHERE action IN ('credential.deleted', 'key.deleted', 'webhook.deleted')
    """,
    "DROP INDEX deciding_events",
    """
    CREATE INDEX deciding_events ON audit_events (number)
    WHERE action IN (
        'credential.created', 'credential.replaced', 'credential.updated', 'credential.deleted',
        'key.created', 'key.updated', 'key.deleted',
        'webhook.created', 'webhook.updated', 'webhook.deleted'
    )
    """,
)


def upgrade() -> None:
    """Make the tables and columns. Runs inside the one transaction that the caller opened."""
    for statement in (*_LOGINS, *_CHECKS, *_EVENTS, *_AUDIT):
        op.execute(statement)
