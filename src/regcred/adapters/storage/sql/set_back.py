"""What the audit says of rows that stand in the store: which were put back from an older copy.

The one thing you would get wrong: whom to believe. Audit rows lie in the same file, so a row
counts only as far as its signature does: see `edited_after` and `last_acceptance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from uuid import UUID

from regcred.adapters.storage.sql import audit_rows
from regcred.adapters.storage.sql.acceptance import Acceptance, acceptance
from regcred.adapters.storage.sql.audit import AuditLog
from regcred.adapters.storage.sql.rows import Row, as_written
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent

_ROW = f"SELECT {audit_rows.COLUMNS}, mac FROM audit_events "  # noqa: S608  constants alone
# The conditions on `action` are those of the partial indexes, word for word.
_VERSIONED = """a.action IN (
    'credential.created', 'credential.replaced', 'credential.updated',
    'key.created', 'key.updated', 'webhook.created', 'webhook.updated',
    'cluster.created', 'cluster.updated'
)"""
_DELETED = """a.action IN (
    'credential.deleted', 'key.deleted', 'webhook.deleted', 'cluster.deleted',
    'workload.deleted'
)"""
_DETAILS = -2
_ACCEPTED = _ROW + "WHERE action = 'store.rollback_accepted' ORDER BY number DESC"
_EVERY = _ROW + "WHERE number > ? ORDER BY number LIMIT ?"
_DECIDING = _ROW + f"WHERE action IN {audit_rows.DECIDING} AND number > ? ORDER BY number LIMIT ?"
_SECRETS_BEHIND = f"""
    SELECT project_id, id FROM (
        SELECT c.project_id, c.id, c.secret_version, (
            SELECT max(a.secret_version) FROM audit_events a
            WHERE a.project_id = c.project_id AND a.target = c.id AND {_VERSIONED}
                AND a.number > ?
        ) AS audited, (
            SELECT x.secret_version FROM credential_secrets x
            WHERE x.project_id = c.project_id AND x.credential_id = c.id AND x.state = 'current'
        ) AS held
        FROM credentials c
    ) AS v WHERE audited > secret_version OR audited > held
"""  # noqa: S608  constants alone
_KEYS_BEHIND = f"""
    SELECT k.id FROM api_keys k WHERE k.version < (
        SELECT max(a.secret_version) FROM audit_events a
        WHERE a.project_id = k.project_id AND a.target = k.id AND {_VERSIONED} AND a.number > ?
    )
"""  # noqa: S608  constants alone
_SECRETS_BACK = f"""
    SELECT c.project_id, c.id FROM credentials c WHERE EXISTS (
        SELECT 1 FROM audit_events a WHERE {_DELETED} AND a.target = c.id AND a.number > ?
    )
"""  # noqa: S608  constants alone
_KEYS_BACK = f"""
    SELECT k.id FROM api_keys k WHERE EXISTS (
        SELECT 1 FROM audit_events a WHERE {_DELETED} AND a.target = k.id AND a.number > ?
    )
"""  # noqa: S608  constants alone
_WEBHOOKS_BEHIND = f"""
    SELECT w.project_id, w.id FROM webhooks w WHERE w.secret_version < (
        SELECT max(a.secret_version) FROM audit_events a
        WHERE a.project_id = w.project_id AND a.target = w.id AND {_VERSIONED} AND a.number > ?
    )
"""  # noqa: S608  constants alone
_WEBHOOKS_BACK = f"""
    SELECT w.project_id, w.id FROM webhooks w WHERE EXISTS (
        SELECT 1 FROM audit_events a WHERE {_DELETED} AND a.target = w.id AND a.number > ?
    )
"""  # noqa: S608  constants alone
_CLUSTERS_BEHIND = f"""
    SELECT c.id FROM clusters c WHERE c.version < (
        SELECT max(a.secret_version) FROM audit_events a
        WHERE a.project_id = '{NO_PROJECT}' AND a.target = c.id AND {_VERSIONED} AND a.number > ?
    )
"""  # noqa: S608  constants alone
_PODS_BACK = f"""
    SELECT p.id FROM (SELECT id FROM clusters UNION ALL SELECT id FROM workloads) p WHERE EXISTS (
        SELECT 1 FROM audit_events a WHERE {_DELETED} AND a.target = p.id AND a.number > ?
    )
"""  # noqa: S608  constants alone

# A project's keys, webhooks and workloads go with it, without events of their own.
_PROJECTS_BACK = """
    SELECT a.target FROM audit_events a
    WHERE a.action IN ('project.created', 'project.deleted') AND a.action = 'project.deleted'
    AND a.number > ? AND (
        EXISTS (SELECT 1 FROM projects x WHERE x.id = a.target)
        OR EXISTS (SELECT 1 FROM api_keys x WHERE x.project_id = a.target)
        OR EXISTS (SELECT 1 FROM credentials x WHERE x.project_id = a.target)
        OR EXISTS (SELECT 1 FROM webhooks x WHERE x.project_id = a.target)
        OR EXISTS (SELECT 1 FROM workloads x WHERE x.project_id = a.target)
        OR EXISTS (SELECT 1 FROM project_seeds x WHERE x.project_id = a.target)
    )
"""
_PROJECTS_LOST = """
    SELECT a.target FROM audit_events a
    WHERE a.action IN ('project.created', 'project.deleted') AND a.action = 'project.created'
    AND a.number > ? AND a.target <> ''
    AND NOT EXISTS (SELECT 1 FROM projects x WHERE x.id = a.target)
    AND NOT EXISTS (
        SELECT 1 FROM audit_events d WHERE d.target = a.target
        AND d.action IN ('project.created', 'project.deleted') AND d.action = 'project.deleted'
    )
"""
_LOST = f"""
    SELECT o.target FROM (
        SELECT a.project_id, a.target FROM audit_events a
        WHERE a.action IN {audit_rows.DECIDING} AND a.number > ? AND a.action IN (
            'credential.created', 'key.created', 'webhook.created', 'cluster.created'
        )
    ) o
    WHERE NOT EXISTS (
        SELECT 1 FROM credentials x WHERE x.project_id = o.project_id AND x.id = o.target
    )
    AND NOT EXISTS (SELECT 1 FROM api_keys x WHERE x.id = o.target)
    AND NOT EXISTS (
        SELECT 1 FROM webhooks x WHERE x.project_id = o.project_id AND x.id = o.target
    )
    AND NOT EXISTS (SELECT 1 FROM clusters x WHERE x.id = o.target)
    AND NOT EXISTS (SELECT 1 FROM audit_events a WHERE {_DELETED} AND a.target = o.target)
    AND NOT EXISTS (
        SELECT 1 FROM audit_events d WHERE d.target = o.project_id
        AND d.action IN ('project.created', 'project.deleted') AND d.action = 'project.deleted'
    )
"""  # noqa: S608  constants alone


class SetBack(AuditLog):
    """Looks for what no write of this program leaves. An id is never made twice.

    What an operator accepted counts from then on: only later audit rows tell against a row.
    """

    async def secret_versions_behind_audit(self) -> Sequence[tuple[UUID, UUID]]:
        """Return (project, credential) whose stored secret is older than the audit says."""
        return await self._pairs(_SECRETS_BEHIND)

    async def key_versions_behind_audit(self) -> Sequence[str]:
        """Return ids of keys that stand there as they were before a change."""
        return await self._keys(_KEYS_BEHIND)

    async def credentials_back_from_deletion(self) -> Sequence[tuple[UUID, UUID]]:
        """Return (project, credential) that are there although the audit tells of the deletion."""
        return await self._pairs(_SECRETS_BACK)

    async def keys_back_from_deletion(self) -> Sequence[str]:
        """Return ids of keys that are there although the audit tells of their deletion."""
        return await self._keys(_KEYS_BACK)

    async def webhooks_behind_audit(self) -> Sequence[tuple[UUID, UUID]]:
        """Return (project, webhook) that go where, or sign as, they did before a change."""
        return await self._pairs(_WEBHOOKS_BEHIND)

    async def webhooks_back_from_deletion(self) -> Sequence[tuple[UUID, UUID]]:
        """Return (project, webhook) that are there although the audit tells of the deletion."""
        return await self._pairs(_WEBHOOKS_BACK)

    async def clusters_behind_audit(self) -> Sequence[str]:
        """Return ids of clusters that believe what they did before a change."""
        return await self._keys(_CLUSTERS_BEHIND)

    async def pods_back_from_deletion(self) -> Sequence[str]:
        """Return ids of clusters and workloads whose deletion the audit tells of."""
        return await self._keys(_PODS_BACK)

    async def projects_back_from_deletion(self) -> Sequence[str]:
        """Return ids of projects of which something is there although they were deleted."""
        return await self._keys(_PROJECTS_BACK)

    async def projects_lost(self) -> Sequence[str]:
        """Return ids of projects that are not there although nothing tells of their deletion."""
        return await self._keys(_PROJECTS_LOST)

    async def rows_lost(self) -> Sequence[str]:
        """Return ids of logins, keys, webhooks and clusters that are not there, likewise."""
        return await self._keys(_LOST)

    async def last_acceptance(self) -> int:
        """Return the number of the newest rollback that was accepted; 0: none was."""
        return (await self.acceptance()).number

    async def acceptance(self) -> Acceptance:
        """Return the newest rollback that was accepted. Raise SealBroken.

        A row that was not signed here accepts nothing.
        """
        rows = await self._all(_ACCEPTED)
        said = next((row for row in rows if self._signed_here(row)), None)
        return Acceptance() if said is None else acceptance(said[0], said[_DETAILS])

    async def edited_after(
        self, number: int, limit: int, *, deciding: bool = False
    ) -> tuple[int, list[int]]:
        """Verify up to `limit` rows above `number`, in number order.

        Return the last one's number (`number` itself: there are no more) and the numbers of
        those that are not as they were signed. `deciding` looks at those rows alone that the
        other methods go by.
        """
        rows = await self._all(_DECIDING if deciding else _EVERY, (number, limit))
        last = rows[-1][0] if rows else number
        return last, [row[0] for row in rows if not self._signed_here(row)]

    async def accept_rollback(self, event: AuditEvent) -> None:
        """Commit the operator's word that the store was set back on purpose."""
        if event.action is not Action.ROLLBACK_ACCEPTED:
            raise ValueError("the event must say that a rollback was accepted")
        await self._write(lambda transaction: transaction.audit(event), of=event.project_id)

    def _signed_here(self, row: Row) -> bool:
        """Whether the row is as it was when this service signed it. Constant time."""
        sign, mac = self._sign, row[-1]
        return compare_digest(sign(audit_rows.signed_bytes(row[:-1])) if sign else b"", mac)

    async def _pairs(self, statement: str) -> Sequence[tuple[UUID, UUID]]:
        found = await self._all(statement, (await self.last_acceptance(),))
        return [_pair(row) for row in found]

    async def _keys(self, statement: str) -> Sequence[str]:
        return [id_ for (id_,) in await self._all(statement, (await self.last_acceptance(),))]


@as_written("a row's ids")
def _pair(row: Row) -> tuple[UUID, UUID]:
    project, id_ = row
    return UUID(project), UUID(id_)
