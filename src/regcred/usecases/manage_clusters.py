"""Set up, read and delete clusters: whose service-account tokens are believed. The operator's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from regcred.domain import workload as rules
from regcred.domain.access import Caller
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import (
    ClusterNotFound,
    InvalidInput,
    NameTaken,
    StoreUnavailable,
    VersionMismatch,
)
from regcred.domain.ports import (
    SWAP_ATTEMPTS,
    Clock,
    NewId,
    PodStamps,
    PodTokens,
    Store,
    StoredCluster,
)
from regcred.domain.workload import Cluster


@dataclass(frozen=True, slots=True)
class ClusterDraft:
    """A cluster as someone wants it: keys inline, or fetched from where it says."""

    issuer: str
    audience: str
    jwks: str | None = None
    jwks_uri: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class PutCluster:
    """A cluster as it is now, and whether it was made."""

    cluster: Cluster
    created: bool


class ManageClusters:
    """What operators do to clusters."""

    def __init__(
        self, store: Store, tokens: PodTokens, stamps: PodStamps, clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._stamps = stamps
        self._clock = clock
        self._new_id = new_id

    async def put(
        self, caller: Caller, name: str, expected_version: int | None, draft: ClusterDraft
    ) -> PutCluster:
        """Set a cluster up, or replace everything of it but its name.

        Raise AccessDenied, InvalidInput (also where another cluster has issuer and audience),
        VersionMismatch.
        """
        caller.require_operator()
        wanted = self._wanted(rules.cluster_name(name), draft)
        for _ in range(SWAP_ATTEMPTS):
            try:
                old = (await self._store.find_cluster(name)).cluster
            except ClusterNotFound:
                if expected_version is not None:
                    raise VersionMismatch from None
                try:
                    return PutCluster(await self._create(caller, wanted), created=True)
                except NameTaken:
                    continue
            if expected_version not in (None, old.version):
                raise VersionMismatch
            try:
                return PutCluster(await self._update(caller, wanted, old), created=False)
            except (VersionMismatch, ClusterNotFound):
                continue
        raise StoreUnavailable("others change it without a pause")

    async def get(self, caller: Caller, name: str) -> Cluster:
        """Raise AccessDenied, ClusterNotFound."""
        caller.require_operator()
        return (await self._store.find_cluster(name)).cluster

    async def list(self, caller: Caller, after: str, limit: int) -> Sequence[Cluster]:
        """Return clusters by name. Raise AccessDenied."""
        caller.require_operator()
        return await self._store.list_clusters(after, limit)

    async def delete(self, caller: Caller, name: str, expected_version: int | None) -> None:
        """Believe its tokens no more. Raise AccessDenied, ClusterNotFound, VersionMismatch.

        Raise ClusterInUse while a project has workloads of it.
        """
        gone = await self.get(caller, name)
        event = self._audited(caller, Action.CLUSTER_DELETED, gone)
        await self._store.delete_cluster(name, expected_version, event)

    async def _create(self, caller: Caller, wanted: Cluster) -> Cluster:
        event = self._audited(caller, Action.CLUSTER_CREATED, wanted)
        return await self._store.create_cluster(self._stamped(wanted), event)

    async def _update(self, caller: Caller, wanted: Cluster, old: Cluster) -> Cluster:
        # Whole and stamped anew: nothing that somebody edited behind our back stays.
        new = replace(wanted, id=old.id, created_at=old.created_at, version=old.version + 1)
        event = self._audited(caller, Action.CLUSTER_UPDATED, new)
        return await self._store.update_cluster(self._stamped(new), old.version, event)

    def _wanted(self, name: str, draft: ClusterDraft) -> Cluster:
        now = self._clock()
        cluster = Cluster(
            self._new_id(),
            name,
            rules.issuer(draft.issuer),
            rules.audience(draft.audience),
            now,
            now,
            jwks=draft.jwks,
            jwks_uri=None if draft.jwks_uri is None else rules.https_url(draft.jwks_uri),
            ca_bundle=draft.ca_bundle,
        )
        if cluster.jwks is not None and (cluster.jwks_uri or cluster.ca_bundle):
            raise InvalidInput("jwks", "keys are given here or fetched: leave this away, or others")
        self._tokens.check(cluster)
        return cluster

    def _stamped(self, cluster: Cluster) -> StoredCluster:
        return StoredCluster(cluster, self._stamps.cluster(cluster))

    def _audited(self, caller: Caller, action: Action, of: Cluster) -> AuditEvent:
        return AuditEvent.by(
            caller,
            action,
            NO_PROJECT,
            self._clock(),
            str(of.id),
            secret_version=of.version,
            name=of.name,
            issuer=of.issuer,
            audience=of.audience,
        )
