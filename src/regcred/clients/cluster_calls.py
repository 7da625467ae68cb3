"""The native API's calls about clusters and workloads."""

from __future__ import annotations

from collections.abc import Iterator

from regcred.clients.calls import Calls, Json, segment


class ClusterCalls(Calls):
    """What RegcredClient has to say about clusters and workloads."""

    def clusters(self) -> Iterator[Json]:
        """Yield the clusters whose pods are believed."""
        return self._pages("clusters")

    def cluster(self, name: str) -> Json:
        """Return one by its name."""
        return self._call("GET", f"clusters/{segment(name)}")

    def put_cluster(self, name: str, cluster: Json, version: int | None) -> Json:
        """Set one up, or replace what was read before."""
        return self._call("PUT", f"clusters/{segment(name)}", cluster, version=version)

    def delete_cluster(self, cluster: Json) -> None:
        """Delete one that was read before."""
        path = f"clusters/{segment(cluster['name'])}"
        self._call("DELETE", path, version=cluster.get("version"))

    def workloads(self) -> Iterator[Json]:
        """Yield the service accounts that may pull."""
        return self._pages(f"{self._project}/workloads")

    def workload(self, workload: str) -> Json:
        """Return one by its id."""
        return self._call("GET", f"{self._project}/workloads/{segment(workload)}")

    def allow_workload(self, workload: Json) -> Json:
        """Let a service account pull."""
        return self._call("POST", f"{self._project}/workloads", workload)

    def withdraw_workload(self, workload: Json) -> None:
        """Let one pull no more that was read before."""
        self._call("DELETE", f"{self._project}/workloads/{segment(workload['id'])}")
