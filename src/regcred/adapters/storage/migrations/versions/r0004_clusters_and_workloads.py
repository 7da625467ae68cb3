"""Clusters whose pods prove who they are, and the workloads that may pull.

Revision 0001 says which conventions hold.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PODS = (
    """
    CREATE TABLE clusters (
        id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 36),
        name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
        issuer TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 1024),
        audience TEXT NOT NULL CHECK (length(audience) BETWEEN 1 AND 255),
        jwks TEXT CHECK (length(jwks) <= 65536),
        jwks_uri TEXT CHECK (length(jwks_uri) <= 1024),
        ca_bundle TEXT CHECK (length(ca_bundle) <= 65536),
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        stamp BLOB NOT NULL CHECK (length(stamp) = 32),
        -- A token belongs to the one cluster that has its issuer and its audience.
        UNIQUE (issuer, audience)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE workloads (
        project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
        id TEXT NOT NULL CHECK (length(id) = 36),
        cluster_id TEXT NOT NULL REFERENCES clusters (id) ON DELETE RESTRICT,
        namespace TEXT NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
        service_account TEXT NOT NULL CHECK (length(service_account) BETWEEN 1 AND 253),
        image_patterns TEXT NOT NULL CHECK (length(image_patterns) BETWEEN 1 AND 65536),
        created_at INTEGER NOT NULL,
        stamp BLOB NOT NULL CHECK (length(stamp) = 32),
        PRIMARY KEY (project_id, id)
    ) STRICT, WITHOUT ROWID
    """,
    # What a token is looked up by; and a service account stands in a project once.
    """
    CREATE UNIQUE INDEX workloads_of_account
    ON workloads (cluster_id, namespace, service_account, project_id)
    """,
)

_AUDIT = (
    # The three by which a start notices what was put back, with clusters and workloads in them.
    "DROP INDEX audited_versions",
    """
    CREATE INDEX audited_versions ON audit_events (project_id, target, secret_version)
    WHERE action IN (
        'credential.created', 'credential.replaced', 'credential.updated',
        'key.created', 'key.updated', 'webhook.created', 'webhook.updated',
        'cluster.created', 'cluster.updated'
    )
    """,
    "DROP INDEX audited_deletions",
    """
    CREATE INDEX audited_deletions ON audit_events (target)
    WHERE action IN (
        'credential.deleted', 'key.deleted', 'webhook.deleted', 'cluster.deleted',
        'workload.deleted'
    )
    """,
    "DROP INDEX deciding_events",
    """
    CREATE INDEX deciding_events ON audit_events (number)
    WHERE action IN (
        'credential.created', 'credential.replaced', 'credential.updated', 'credential.deleted',
        'key.created', 'key.updated', 'key.deleted',
        'webhook.created', 'webhook.updated', 'webhook.deleted',
        'cluster.created', 'cluster.updated', 'cluster.deleted', 'workload.deleted'
    )
    """,
)


def upgrade() -> None:
    """Make the tables. Runs inside the one transaction that the caller opened."""
    for statement in (*_PODS, *_AUDIT):
        op.execute(statement)
