"""What holds between a store's tables, whatever happened: no half of any write is ever there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rows = Callable[[str], list[tuple[Any, ...]]]

CLAIMS = {
    "credentials without their one current secret": """
        SELECT c.name FROM credentials c LEFT JOIN credential_secrets x
            ON x.project_id = c.project_id AND x.credential_id = c.id AND x.state = 'current'
            AND x.secret_version = c.secret_version
        GROUP BY c.project_id, c.id, c.name HAVING count(x.secret_version) <> 1
    """,
    "credentials without their scope": """
        SELECT c.name FROM credentials c
        WHERE c.scopes <> '' AND NOT EXISTS (
            SELECT 1 FROM credential_scopes s
            WHERE s.project_id = c.project_id AND s.number = c.number
        )
    """,
    "scopes without their credential": """
        SELECT s.scope FROM credential_scopes s WHERE NOT EXISTS (
            SELECT 1 FROM credentials c
            WHERE c.project_id = s.project_id AND c.number = s.number
        )
    """,
    "uses without their credential": """
        SELECT u.name FROM uses u WHERE NOT EXISTS (
            SELECT 1 FROM credentials c
            WHERE c.project_id = u.project_id AND c.id = u.credential_id
        )
    """,
    "secrets without their credential": """
        SELECT x.credential_id FROM credential_secrets x WHERE NOT EXISTS (
            SELECT 1 FROM credentials c
            WHERE c.project_id = x.project_id AND c.id = x.credential_id
        )
    """,
    "projects that count other credentials than they have": """
        SELECT p.name FROM projects p WHERE p.credential_count <> (
            SELECT count(*) FROM credentials c WHERE c.project_id = p.id
        )
    """,
    "credentials without the audit row of their creation": """
        SELECT c.name FROM credentials c WHERE (c.project_id, c.id) NOT IN (
            SELECT e.project_id, e.target FROM audit_events e
            WHERE e.action = 'credential.created' AND e.target IS NOT NULL
        )
    """,
    "credentials that the audit says are deleted": """
        SELECT c.name FROM credentials c JOIN audit_events e
        ON e.target = c.id AND e.action = 'credential.deleted'
    """,
    "gaps in the audit's numbers": """
        SELECT 'gap' FROM (SELECT count(*) AS n, max(number) AS newest FROM audit_events) counted
        WHERE n <> newest
    """,
}
"""(what may not be, a query that finds it), in words of both databases."""


def torn(rows: Rows) -> list[str]:
    """Return everything that one of the claims finds."""
    return [f"{what}: {row[0]}" for what, query in CLAIMS.items() for row in rows(query)]
