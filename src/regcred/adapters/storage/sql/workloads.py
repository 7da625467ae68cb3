"""Workloads, and the one read by which a pod's token finds its cluster and its own of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, at_version
from regcred.adapters.storage.sql.clusters import CLUSTER, CLUSTER_WIDTH, cluster_of
from regcred.adapters.storage.sql.rows import Row, instant, joined, micros, split
from regcred.adapters.storage.sql.transaction import Clash, Transaction
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import (
    ClusterNotFound,
    InvalidInput,
    NameTaken,
    ProjectNotFound,
    SealBroken,
    WorkloadNotFound,
)
from regcred.domain.ports import IdempotentRequest, PodRead, ProjectRef, StoredWorkload
from regcred.domain.registry import ImagePattern
from regcred.domain.workload import ANY, TokenIssuer, Workload

_WORKLOAD = (
    "w.id, w.project_id, w.cluster_id, c.name, w.namespace, w.service_account, w.image_patterns, "
    "w.created_at, w.stamp"
)


_CLUSTER_EXISTS = "SELECT 1 FROM clusters WHERE id = ?"
_PROJECT_EXISTS = "SELECT 1 FROM projects WHERE id = ?"
_INSERT_WORKLOAD = """
    INSERT INTO workloads (
        project_id, id, cluster_id, namespace, service_account, image_patterns, created_at, stamp
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_WORKLOAD_AT = f"""
    SELECT {_WORKLOAD} FROM workloads w JOIN clusters c ON c.id = w.cluster_id
    WHERE w.project_id = ? AND w.id = ?
"""  # noqa: S608  constants alone
_WORKLOADS = f"""
    SELECT {_WORKLOAD} FROM workloads w JOIN clusters c ON c.id = w.cluster_id
    WHERE w.project_id = ? AND w.id > ? ORDER BY w.id LIMIT ?
"""  # noqa: S608  constants alone
_DELETE_WORKLOAD = "DELETE FROM workloads WHERE project_id = ? AND id = ?"

_MAX_MATCHES = 64
"""Rows of one read. A project has four at most, so a second project always shows."""

# Each a search of the unique index; no row of workloads leaves the cluster alone.
_FOR_POD = f"""
    SELECT {CLUSTER}, {_WORKLOAD} FROM clusters c
    LEFT JOIN workloads w
        ON w.cluster_id = c.id AND w.namespace IN (?, '{ANY}') AND w.service_account IN (?, '{ANY}')
        {{narrowed}}
    WHERE c.issuer = ? AND c.audience = ?
    LIMIT {_MAX_MATCHES}
"""  # noqa: S608  constants alone
_ANYWHERE = _FOR_POD.format(narrowed="")
_BY_ID = _FOR_POD.format(narrowed="AND w.project_id = ?")
_BY_NUMBER = _FOR_POD.format(
    narrowed="AND w.project_id = (SELECT id FROM projects WHERE number = ?)"
)


class Workloads(Access):
    """The port's methods on workloads."""

    async def create_workload(
        self,
        stored: StoredWorkload,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Workload:
        """Raise ProjectNotFound, ClusterNotFound, NameTaken, AlreadyDone."""
        workload, stamp = stored
        place = (str(workload.project_id), str(workload.id))

        async def work(transaction: Transaction) -> Workload:
            await self._refuse_repeated(transaction, idempotent)
            if await transaction.one(_PROJECT_EXISTS, place[:1]) is None:
                raise ProjectNotFound
            if await transaction.one(_CLUSTER_EXISTS, (str(workload.cluster_id),)) is None:
                raise ClusterNotFound
            try:
                await transaction.change(
                    _INSERT_WORKLOAD,
                    (
                        *place,
                        str(workload.cluster_id),
                        workload.namespace,
                        workload.service_account,
                        joined(workload.image_patterns),
                        micros(workload.created_at),
                        stamp,
                    ),
                )
            except Clash as error:
                raise NameTaken("workload") from error
            await self._remember(transaction, idempotent, place[1])
            await transaction.audit(event)
            found = await transaction.one(_WORKLOAD_AT, place)
            return _workload(at_version(found, None, WorkloadNotFound())).workload

        return await self._write(work, of=stored.workload.project_id)

    async def find_workload(self, project_id: UUID, workload_id: UUID) -> Workload:
        """Raise WorkloadNotFound, also for another project's."""
        row = await self._one(_WORKLOAD_AT, (str(project_id), str(workload_id)), of=project_id)
        if row is None:
            raise WorkloadNotFound
        return _workload(row).workload

    async def list_workloads(self, project_id: UUID, after: str, limit: int) -> Sequence[Workload]:
        """Return workloads with an id above `after` ("" for the start), in id order."""
        rows = await self._all(_WORKLOADS, (str(project_id), after, limit), of=project_id)
        return [_workload(row).workload for row in rows]

    async def delete_workload(self, project_id: UUID, workload_id: UUID, event: AuditEvent) -> None:
        """Raise WorkloadNotFound."""

        async def work(transaction: Transaction) -> None:
            if not await transaction.change(_DELETE_WORKLOAD, (str(project_id), str(workload_id))):
                raise WorkloadNotFound
            await transaction.audit(event)

        await self._write(work, of=project_id)

    async def read_for_pod(self, claimed: TokenIssuer, project: ProjectRef | None) -> PodRead:
        """Read what a token claims to be; see the port."""
        statement, ref = _narrowed(project)
        issuer, audience = claimed.issuer, claimed.audience
        rows = await self._all(
            statement, (claimed.namespace, claimed.service_account, *ref, issuer, audience)
        )
        if not rows:
            return PodRead(None, ())
        matches = [row[CLUSTER_WIDTH:] for row in rows if row[CLUSTER_WIDTH] is not None]
        return PodRead(cluster_of(rows[0][:CLUSTER_WIDTH]), list(map(_workload, matches)))


def _narrowed(project: ProjectRef | None) -> tuple[str, tuple[object, ...]]:
    if project is None:
        return _ANYWHERE, ()
    if isinstance(project, UUID):
        return _BY_ID, (str(project),)
    # A number beyond 64 bits is a number that no project has.
    return _BY_NUMBER, (project if -(2**63) <= project < 2**63 else 0,)


@lru_cache(maxsize=4096)
def _workload(row: Row) -> StoredWorkload:
    """Return the workload of a row. Raise SealBroken for what no write of this program leaves."""
    id_, project_id, cluster_id, cluster, namespace, account, patterns, created_at, stamp = row
    try:
        workload = Workload(
            UUID(id_),
            UUID(project_id),
            UUID(cluster_id),
            cluster,
            namespace,
            account,
            tuple(map(ImagePattern.parse, split(patterns))),
            instant(created_at),
        )
    except (InvalidInput, ValueError, OverflowError) as error:
        raise SealBroken("a workload") from error
    return StoredWorkload(workload, stamp)
