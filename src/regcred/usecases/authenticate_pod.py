"""Turn a pod's service-account token into a Caller, or refuse it.

The one thing you would get wrong: what an unverified token may decide. It says which rows are
looked for, and nothing else; the cluster that they name then says whether it made the token. Rows
are read anew each time, and again after a wait for the cluster's issuer, so a withdrawn workload
or a deleted cluster counts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import NamedTuple

from regcred.domain.access import Caller, Principal, Role
from regcred.domain.errors import (
    AccessDenied,
    InvalidInput,
    NotAuthenticated,
    ProjectNotFound,
    SealBroken,
)
from regcred.domain.ports import (
    Clock,
    PodStamps,
    PodTokens,
    ProjectRef,
    Store,
    StoredWorkload,
)
from regcred.domain.workload import Cluster, Pod, TokenIssuer, Workload, pod_patterns


class KnownPod(NamedTuple):
    """A pod that may ask in one project."""

    caller: Caller
    pod: Pod


class AuthenticatePod:
    """Which pod sent this request, and for which project."""

    def __init__(self, store: Store, tokens: PodTokens, stamps: PodStamps, clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._stamps = stamps
        self._clock = clock

    async def __call__(
        self, token: str, project: ProjectRef | None, *, request_id: str, peer: str
    ) -> KnownPod:
        """Return the pod as a puller of one project, narrowed to what its workloads name.

        `project` None means the only one whose workloads match. Raise NotAuthenticated,
        ProjectNotFound (also where no workload of that project matches), AccessDenied (none does
        anywhere), InvalidInput (`project`: several do), SealBroken.
        """
        claimed = self._tokens.read(token)
        cluster, stored = await self._read(claimed, project)
        waits = self._tokens.asks(token, cluster)
        pod = await self._tokens.verify(token, cluster, self._clock())
        if waits:
            verified_by = (cluster.id, cluster.version)
            cluster, stored = await self._read(claimed, project)
            if (cluster.id, cluster.version) != verified_by:
                raise NotAuthenticated("token", "its cluster was changed while its keys were had")
        workloads = self._genuine(stored)
        _require_one(workloads, project)
        caller = Caller(
            Principal("pod", f"{cluster.name}/{pod.namespace}/{pod.service_account}"),
            workloads[0].project_id,
            Role.PULLER,
            image_patterns=pod_patterns(workloads),
            expires_at=pod.ends,
            request_id=request_id,
            peer=peer,
        )
        return KnownPod(caller, pod)

    async def _read(
        self, claimed: TokenIssuer, project: ProjectRef | None
    ) -> tuple[Cluster, Sequence[StoredWorkload]]:
        """Raise NotAuthenticated, SealBroken."""
        read = await self._store.read_for_pod(claimed, project)
        if read.cluster is None:
            raise NotAuthenticated("token", "no cluster has this issuer and audience")
        cluster, stamp = read.cluster
        if not compare_digest(self._stamps.cluster(cluster), stamp):
            raise SealBroken("a cluster")
        return cluster, read.workloads

    def _genuine(self, stored: Sequence[StoredWorkload]) -> Sequence[Workload]:
        for workload, stamp in stored:
            if not compare_digest(self._stamps.workload(workload), stamp):
                raise SealBroken("a workload")
        return [workload for workload, _ in stored]


def _require_one(workloads: Sequence[Workload], project: ProjectRef | None) -> None:
    """Pass if the workloads are some, and of one project."""
    if not workloads:
        if project is not None:
            raise ProjectNotFound
        raise AccessDenied("a workload that names it", "this pod's service account")
    if len({workload.project_id for workload in workloads}) > 1:
        raise InvalidInput(
            "project", "must be named: workloads of several projects take in this service account"
        )
