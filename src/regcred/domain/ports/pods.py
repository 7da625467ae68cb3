"""Clusters, workloads, and the tokens by which pods prove who they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.ports.values import IdempotentRequest, ProjectRef
from regcred.domain.workload import Cluster, Pod, TokenIssuer, Workload


class StoredCluster(NamedTuple):
    """A cluster with the stamp over everything that decides which tokens are believed."""

    cluster: Cluster
    stamp: bytes


class StoredWorkload(NamedTuple):
    """A workload with the stamp over everything that decides what it may pull."""

    workload: Workload
    stamp: bytes


class PodRead(NamedTuple):
    """What the store holds about a token that nobody has verified yet."""

    cluster: StoredCluster | None
    workloads: Sequence[StoredWorkload]
    """In no order; of one project at most four: each name is the token's own or `*`."""


class PodStore(Protocol):
    """Clusters are the operator's; workloads belong to a project and go with it."""

    async def create_cluster(self, stored: StoredCluster, event: AuditEvent) -> Cluster:
        """Raise NameTaken; InvalidInput when another cluster has its issuer and audience."""
        ...

    async def update_cluster(
        self, stored: StoredCluster, expected_version: int | None, event: AuditEvent
    ) -> Cluster:
        """Store everything but id, name and created_at; count the version up.

        The stamp is over the version after this write, so `expected_version` goes with it.
        Raise ClusterNotFound, VersionMismatch, InvalidInput as `create_cluster` does.
        """
        ...

    async def find_cluster(self, name: str) -> StoredCluster:
        """Raise ClusterNotFound."""
        ...

    async def list_clusters(self, after: str, limit: int) -> Sequence[Cluster]:
        """Return clusters with a name above `after` ("" for the start), in name order."""
        ...

    async def delete_cluster(
        self, name: str, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Raise ClusterNotFound, VersionMismatch, ClusterInUse while workloads name it."""
        ...

    async def create_workload(
        self,
        stored: StoredWorkload,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Workload:
        """Raise ProjectNotFound, ClusterNotFound, AlreadyDone (looked for first).

        Raise NameTaken when the project has a workload of this cluster, namespace and account.
        """
        ...

    async def find_workload(self, project_id: UUID, workload_id: UUID) -> Workload:
        """Raise WorkloadNotFound, also for another project's."""
        ...

    async def list_workloads(self, project_id: UUID, after: str, limit: int) -> Sequence[Workload]:
        """Return workloads with an id above `after` ("" for the start), in id order."""
        ...

    async def delete_workload(self, project_id: UUID, workload_id: UUID, event: AuditEvent) -> None:
        """Raise WorkloadNotFound."""
        ...

    async def read_for_pod(self, claimed: TokenIssuer, project: ProjectRef | None) -> PodRead:
        """Read, fresh, what a token claims to be: its cluster and the workloads it would match.

        `project` None looks in all; then some projects are left out if there are very many, but
        never down to one.
        """
        ...


class PodStamps(Protocol):
    """HMACs under a key that the store does not hold, as `KeyDigests` makes for keys.

    Who writes to the store alone can neither add a cluster or a workload nor change one.
    """

    def cluster(self, cluster: Cluster) -> bytes:
        """Return 32 bytes over all that decides which tokens are believed, and its version."""
        ...

    def workload(self, workload: Workload) -> bytes:
        """Return 32 bytes over all that decides who may pull what, where."""
        ...


class PodTokens(Protocol):
    """Reads and verifies service-account tokens."""

    def check(self, cluster: Cluster) -> None:
        """Pass if the keys or the CA bundle that a cluster is set up with can be used.

        Raise InvalidInput naming `jwks` or `ca_bundle`. Where keys are fetched, nothing is.
        """
        ...

    def read(self, token: str) -> TokenIssuer:
        """Return what a token claims, believing nothing. Raise NotAuthenticated."""
        ...

    def asks(self, token: str, cluster: Cluster) -> bool:
        """Whether `verify`, called now, would wait for the cluster's issuer.

        Raise NotAuthenticated.
        """
        ...

    async def verify(self, token: str, cluster: Cluster, now: datetime) -> Pod:
        """Return the pod of a token that this cluster made for us, and that counts now.

        Raise NotAuthenticated; its `why` is for the log alone.
        """
        ...
