"""The part of the store in memory that is about clusters and workloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.errors import (
    ClusterInUse,
    ClusterNotFound,
    InvalidInput,
    NameTaken,
    ProjectNotFound,
    VersionMismatch,
    WorkloadNotFound,
)
from regcred.domain.ports import (
    IdempotentRequest,
    PodRead,
    ProjectRef,
    StoredCluster,
    StoredWorkload,
)
from regcred.domain.project import Project
from regcred.domain.workload import ANY, Cluster, TokenIssuer, Workload


class MemoryPods:
    """The port's methods on clusters and workloads; what it builds on is the store's."""

    def __init__(self) -> None:
        super().__init__()
        self._clusters: dict[str, StoredCluster] = {}
        self._workloads: dict[tuple[UUID, UUID], StoredWorkload] = {}

    async def create_cluster(self, stored: StoredCluster, event: AuditEvent) -> Cluster:
        self._awake()
        if stored.cluster.name in self._clusters:
            raise NameTaken("cluster")
        return self._keep_cluster(replace(stored.cluster, version=1), stored.stamp, event)

    async def update_cluster(
        self, stored: StoredCluster, expected_version: int | None, event: AuditEvent
    ) -> Cluster:
        self._awake()
        old = next(
            (c.cluster for c in self._clusters.values() if c.cluster.id == stored.cluster.id), None
        )
        if old is None:
            raise ClusterNotFound
        if expected_version not in (None, old.version):
            raise VersionMismatch
        new = replace(
            stored.cluster, name=old.name, created_at=old.created_at, version=old.version + 1
        )
        return self._keep_cluster(new, stored.stamp, event)

    async def find_cluster(self, name: str) -> StoredCluster:
        self._awake()
        if name not in self._clusters:
            raise ClusterNotFound
        return self._clusters[name]

    async def list_clusters(self, after: str, limit: int) -> Sequence[Cluster]:
        self._awake()
        return [self._clusters[name].cluster for name in sorted(self._clusters) if name > after][
            :limit
        ]

    async def delete_cluster(
        self, name: str, expected_version: int | None, event: AuditEvent
    ) -> None:
        cluster = (await self.find_cluster(name)).cluster
        if expected_version not in (None, cluster.version):
            raise VersionMismatch
        if any(w.workload.cluster_id == cluster.id for w in self._workloads.values()):
            raise ClusterInUse
        del self._clusters[name]
        self._append(event)

    async def create_workload(
        self,
        stored: StoredWorkload,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Workload:
        self._refuse_repeated(idempotent)
        workload = stored.workload
        self._project(workload.project_id, None)
        names = {c.cluster.id: name for name, c in self._clusters.items()}
        if workload.cluster_id not in names:
            raise ClusterNotFound
        if any(_same(workload, other.workload) for other in self._workloads.values()):
            raise NameTaken("workload")
        kept = replace(workload, cluster=names[workload.cluster_id])
        self._workloads[workload.project_id, workload.id] = StoredWorkload(kept, stored.stamp)
        self._remember(idempotent, str(workload.id))
        self._append(event)
        return kept

    async def find_workload(self, project_id: UUID, workload_id: UUID) -> Workload:
        self._awake()
        found = self._workloads.get((project_id, workload_id))
        if found is None:
            raise WorkloadNotFound
        return found.workload

    async def list_workloads(self, project_id: UUID, after: str, limit: int) -> Sequence[Workload]:
        self._awake()
        of_project = (s.workload for (id_, _), s in self._workloads.items() if id_ == project_id)
        return [w for w in sorted(of_project, key=lambda w: str(w.id)) if str(w.id) > after][:limit]

    async def delete_workload(self, project_id: UUID, workload_id: UUID, event: AuditEvent) -> None:
        await self.find_workload(project_id, workload_id)
        del self._workloads[project_id, workload_id]
        self._append(event)

    async def read_for_pod(self, claimed: TokenIssuer, project: ProjectRef | None) -> PodRead:
        self._awake()
        of_token = (claimed.issuer, claimed.audience)
        cluster = next(
            (
                c
                for c in self._clusters.values()
                if (c.cluster.issuer, c.cluster.audience) == of_token
            ),
            None,
        )
        if cluster is None:
            return PodRead(None, ())
        id_ = project
        if isinstance(project, int):
            try:
                id_ = (await self.find_project(project)).id
            except ProjectNotFound:
                return PodRead(cluster, ())
        found = [
            stored
            for stored in self._workloads.values()
            if stored.workload.cluster_id == cluster.cluster.id
            and stored.workload.namespace in (claimed.namespace, ANY)
            and stored.workload.service_account in (claimed.service_account, ANY)
            and id_ in (None, stored.workload.project_id)
        ]
        return PodRead(cluster, found[:64])

    def edit_workload(self, edited: StoredWorkload) -> None:
        """Put a row in place as it stands, as a writer without the key ring can."""
        self._workloads[edited.workload.project_id, edited.workload.id] = edited

    def edit_cluster(self, edited: StoredCluster) -> None:
        """Put a row in place as it stands, as a writer without the key ring can."""
        self._clusters[edited.cluster.name] = edited

    def _drop_workloads(self, project_id: UUID) -> None:
        for place in [place for place in self._workloads if place[0] == project_id]:
            del self._workloads[place]

    def _keep_cluster(self, cluster: Cluster, stamp: bytes, event: AuditEvent) -> Cluster:
        for name, other in self._clusters.items():
            same = (other.cluster.issuer, other.cluster.audience) == (
                cluster.issuer,
                cluster.audience,
            )
            if same and name != cluster.name:
                rule = "must be another: a cluster has this issuer and audience"
                raise InvalidInput("audience", rule)
        self._clusters[cluster.name] = StoredCluster(cluster, stamp)
        self._append(event)
        return cluster

    if TYPE_CHECKING:  # the store's own

        def _awake(self) -> None: ...

        def _append(self, event: AuditEvent) -> None: ...

        def _project(self, project_id: UUID, expected_version: int | None) -> Project: ...

        def _refuse_repeated(self, request: IdempotentRequest | None) -> None: ...

        def _remember(self, request: IdempotentRequest | None, resource_id: str) -> None: ...

        async def find_project(self, ref: ProjectRef) -> Project: ...


def _same(one: Workload, other: Workload) -> bool:
    return (one.project_id, one.cluster_id, one.namespace, one.service_account) == (
        other.project_id,
        other.cluster_id,
        other.namespace,
        other.service_account,
    )
