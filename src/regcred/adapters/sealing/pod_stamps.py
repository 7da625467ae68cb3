"""Stamps on clusters and workloads: who writes to the store alone adds or changes none."""

from __future__ import annotations

from regcred.adapters.sealing.framing import frame
from regcred.adapters.sealing.mac import Mac
from regcred.domain.workload import Cluster, Workload

_CLUSTER = b"regcred-cluster-v1"
_WORKLOAD = b"regcred-workload-v1"


class KeyedPodStamps:
    """Implements PodStamps: HMAC-SHA-256 (docs/sealing.md)."""

    __slots__ = ("__row",)

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes."""
        self.__row = Mac(key)

    def cluster(self, cluster: Cluster) -> bytes:
        """Return 32 bytes over which tokens are believed, and the version."""
        return self.__row.of(
            frame(
                _CLUSTER,
                str(cluster.id).encode(),
                cluster.name.encode(),
                cluster.issuer.encode(),
                cluster.audience.encode(),
                _maybe(cluster.jwks),
                _maybe(cluster.jwks_uri),
                _maybe(cluster.ca_bundle),
                b"%d" % cluster.version,
            )
        )

    def workload(self, workload: Workload) -> bytes:
        """Return 32 bytes over who may pull what, where. The cluster's id is in it, not its name.

        Nor is the creation, which decides nothing.
        """
        return self.__row.of(
            frame(
                _WORKLOAD,
                str(workload.id).encode(),
                str(workload.project_id).encode(),
                str(workload.cluster_id).encode(),
                workload.namespace.encode(),
                workload.service_account.encode(),
                frame(*(str(pattern).encode() for pattern in workload.image_patterns)),
            )
        )

    def __repr__(self) -> str:
        return "<pod stamps>"


def _maybe(text: str | None) -> bytes:
    """Return a list of one or none, so that nothing is not the empty text."""
    return frame() if text is None else frame(text.encode())
