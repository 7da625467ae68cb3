"""The first schema.

Conventions that later revisions keep: ids are TEXT, times INTEGER microseconds since 1970 UTC,
JSON is TEXT with sorted keys, every table is STRICT. What belongs to a tenant is reached by
(project_id, …), and its foreign keys hold both columns, so that no row can point into another
project. Nothing constrains a secret's text: a constraint's error could tell what it holds.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    # AUTOINCREMENT: a project's number never returns, even after the newest was deleted.
    """
    CREATE TABLE projects (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
        name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
        require_if_match INTEGER NOT NULL CHECK (require_if_match IN (0, 1)),
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        next_credential_number INTEGER NOT NULL DEFAULT 1 CHECK (next_credential_number >= 1),
        credential_count INTEGER NOT NULL DEFAULT 0 CHECK (credential_count >= 0)
    ) STRICT
    """,
    """
    CREATE TABLE project_seeds (
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
        generation INTEGER NOT NULL CHECK (generation >= 1),
        kid TEXT NOT NULL CHECK (length(kid) BETWEEN 1 AND 2048),
        wrapped BLOB NOT NULL CHECK (length(wrapped) BETWEEN 1 AND 16384),
        PRIMARY KEY (project_id, generation)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE api_keys (
        id TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
        name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
        role TEXT NOT NULL CHECK (role IN ('viewer', 'puller', 'editor', 'admin')),
        operator INTEGER NOT NULL CHECK (operator IN (0, 1)),
        image_patterns TEXT NOT NULL CHECK (length(image_patterns) <= 65536),
        expires_at INTEGER,
        disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
        created_at INTEGER NOT NULL,
        last_used_at INTEGER,
        version INTEGER NOT NULL CHECK (version >= 1),
        digest BLOB NOT NULL CHECK (length(digest) BETWEEN 16 AND 64),
        stamp BLOB NOT NULL CHECK (length(stamp) = 32),
        UNIQUE (project_id, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE credentials (
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
        id TEXT NOT NULL CHECK (length(id) = 36),
        number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 9007199254740991),
        name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
        provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 32),
        registry_url TEXT CHECK (length(registry_url) BETWEEN 1 AND 2048),
        scopes TEXT NOT NULL CHECK (length(scopes) <= 65536),
        username TEXT NOT NULL CHECK (length(username) BETWEEN 1 AND 1024),
        settings TEXT NOT NULL CHECK (length(settings) <= 1048576),
        description TEXT NOT NULL CHECK (length(description) <= 1024),
        labels TEXT NOT NULL CHECK (length(labels) <= 131072),
        expires_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        secret_version INTEGER NOT NULL CHECK (secret_version >= 1),
        verdict TEXT CHECK (length(verdict) <= 32),
        verdict_at INTEGER,
        dead_since INTEGER,
        dead_last INTEGER,
        last_used_at INTEGER,
        last_used_by TEXT CHECK (length(last_used_by) <= 1024),
        PRIMARY KEY (project_id, id),
        UNIQUE (project_id, number),
        UNIQUE (project_id, name)
    ) STRICT
    """,
    "CREATE INDEX credentials_by_provider ON credentials (project_id, provider, number)",
    "CREATE INDEX credentials_by_username ON credentials (project_id, username, number)",
    "CREATE INDEX credentials_by_verdict ON credentials (project_id, verdict, number)",
    # Rows of their own, one of each state at most: a staged rotation needs no new shape.
    """
    CREATE TABLE credential_secrets (
        project_id TEXT NOT NULL,
        credential_id TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('current', 'next', 'retired')),
        secret_version INTEGER NOT NULL CHECK (secret_version >= 1),
        seed_generation INTEGER NOT NULL,
        sealed BLOB NOT NULL CHECK (length(sealed) BETWEEN 1 AND 32768),
        PRIMARY KEY (project_id, credential_id, state),
        FOREIGN KEY (project_id, credential_id)
            REFERENCES credentials (project_id, id) ON DELETE RESTRICT,
        FOREIGN KEY (project_id, seed_generation)
            REFERENCES project_seeds (project_id, generation) ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID
    """,
    # The matching index. `lookup` is host[:port], or *<labels>[:port] for a host with wildcards;
    # its key order, read backwards, is the order in which logins are ranked: '*' sorts before
    # every host, and of two prefixes of one repository the longer sorts last.
    """
    CREATE TABLE credential_scopes (
        project_id TEXT NOT NULL,
        lookup TEXT NOT NULL CHECK (length(lookup) BETWEEN 1 AND 300),
        path TEXT NOT NULL CHECK (length(path) <= 255),
        number INTEGER NOT NULL,
        scope TEXT NOT NULL CHECK (length(scope) BETWEEN 1 AND 600),
        whole INTEGER NOT NULL CHECK (whole = (path = '')),
        PRIMARY KEY (project_id, lookup, path, number, scope),
        FOREIGN KEY (project_id, number)
            REFERENCES credentials (project_id, number) ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX scopes_of_host ON credential_scopes (project_id, lookup, whole, number)",
    "CREATE INDEX scopes_by_lookup ON credential_scopes (project_id, lookup, number)",
    "CREATE INDEX scopes_of_credential ON credential_scopes (project_id, number)",
    """
    CREATE TABLE credential_labels (
        project_id TEXT NOT NULL,
        label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 253),
        value TEXT NOT NULL CHECK (length(value) <= 255),
        number INTEGER NOT NULL,
        PRIMARY KEY (project_id, label, value, number),
        FOREIGN KEY (project_id, number)
            REFERENCES credentials (project_id, number) ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX labels_by_label ON credential_labels (project_id, label, number)",
    "CREATE INDEX labels_of_credential ON credential_labels (project_id, number)",
    """
    CREATE TABLE verdicts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id TEXT NOT NULL,
        credential_id TEXT NOT NULL,
        secret_version INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 32),
        checked_at INTEGER NOT NULL,
        image TEXT CHECK (length(image) <= 4096),
        evidence TEXT NOT NULL CHECK (length(evidence) <= 131072),
        FOREIGN KEY (project_id, credential_id)
            REFERENCES credentials (project_id, id) ON DELETE RESTRICT
    ) STRICT
    """,
    "CREATE INDEX verdicts_of_credential ON verdicts (project_id, credential_id, number)",
    """
    CREATE TABLE uses (
        project_id TEXT NOT NULL,
        credential_id TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 63),
        name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (project_id, credential_id, kind, name),
        FOREIGN KEY (project_id, credential_id)
            REFERENCES credentials (project_id, id) ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID
    """,
    # No foreign key: the trace outlives what it speaks of.
    """
    CREATE TABLE audit_events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        project_id TEXT NOT NULL,
        action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
        principal TEXT NOT NULL CHECK (length(principal) <= 1024),
        target TEXT NOT NULL CHECK (length(target) <= 1024),
        secret_version INTEGER,
        request_id TEXT NOT NULL CHECK (length(request_id) <= 1024),
        last_request_id TEXT NOT NULL CHECK (length(last_request_id) <= 1024),
        count INTEGER NOT NULL CHECK (count >= 1),
        peer TEXT NOT NULL CHECK (length(peer) <= 1024),
        details TEXT NOT NULL CHECK (length(details) <= 131072),
        mac BLOB NOT NULL CHECK (length(mac) <= 64)
    ) STRICT
    """,
    "CREATE INDEX audit_of_project ON audit_events (project_id, number)",
    # Reveals are most rows, so they are found by walking the project; the rest need an index.
    """
    CREATE INDEX audit_by_action ON audit_events (project_id, action, number)
    WHERE action <> 'credential.revealed'
    """,
    # Only the events that set a version, and those that end one: small beside the reveals.
    """
    CREATE INDEX audited_versions ON audit_events (project_id, target, secret_version)
    WHERE action IN (
        'credential.created', 'credential.replaced', 'credential.updated',
        'key.created', 'key.updated'
    )
    """,
    """
    CREATE INDEX audited_deletions ON audit_events (target)
    WHERE action IN ('credential.deleted', 'key.deleted')
    """,
    """
    CREATE INDEX accepted_rollbacks ON audit_events (number)
    WHERE action = 'store.rollback_accepted'
    """,
    # What a start verifies before it believes what the three above say.
    """
    CREATE INDEX deciding_events ON audit_events (number)
    WHERE action IN (
        'credential.created', 'credential.replaced', 'credential.updated', 'credential.deleted',
        'key.created', 'key.updated', 'key.deleted'
    )
    """,
    """
    CREATE TABLE idempotent_requests (
        principal TEXT NOT NULL CHECK (length(principal) <= 1024),
        key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 1024),
        digest BLOB NOT NULL CHECK (length(digest) BETWEEN 16 AND 64),
        resource_id TEXT NOT NULL CHECK (length(resource_id) <= 64),
        at INTEGER NOT NULL,
        PRIMARY KEY (principal, key)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX idempotent_requests_by_age ON idempotent_requests (at)",
    """
    CREATE TABLE service_keys (
        purpose TEXT NOT NULL PRIMARY KEY CHECK (length(purpose) BETWEEN 1 AND 64),
        kid TEXT NOT NULL CHECK (length(kid) BETWEEN 1 AND 2048),
        generation INTEGER NOT NULL CHECK (generation >= 1),
        wrapped BLOB NOT NULL CHECK (length(wrapped) BETWEEN 1 AND 16384)
    ) STRICT, WITHOUT ROWID
    """,
    # One row that readiness checks write, to learn whether the disk still takes writes.
    """
    CREATE TABLE health (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        checks INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO health (id, checks) VALUES (1, 0)",
)


def upgrade() -> None:
    """Make every table. Runs inside the one transaction that the caller opened."""
    for statement in _TABLES:
        op.execute(statement)
