"""Clusters whose service-account tokens are believed: the operator's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import ClusterPath, Position
from regcred.web.dialects.native.wire.clusters import Cluster, ClusterPage, NewCluster
from regcred.web.dialects.native.wire.common import Listing
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["clusters"], prefix="/v1/clusters")


@router.get("", operation_id="listClusters", response_model=ClusterPage)
async def list_clusters(call: Call, page: Annotated[Listing, Query()]) -> Response:
    """List clusters by name."""
    position = Position(call, None, "clusters")
    rows = await call.services.clusters.list(
        call.caller, position.text(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda cluster: cluster.name)
    return rendered(ClusterPage(items=[Cluster.of(row) for row in rows], next_cursor=cursor))


@router.get("/{cluster}", operation_id="getCluster", response_model=Cluster)
async def get_cluster(call: Call, cluster: ClusterPath) -> Response:
    """Show a cluster."""
    found = await call.services.clusters.get(call.caller, cluster)
    return rendered(Cluster.of(found), version=found.version)


@router.put(
    "/{cluster}",
    operation_id="putCluster",
    response_model=Cluster,
    responses={201: {"model": Cluster, "description": "Set up."}},
)
async def put_cluster(call: Call, cluster: ClusterPath, body: NewCluster) -> Response:
    """Set a cluster up (201), or replace everything of it but its name (200)."""
    expected = await call.expected_version(lambda: _version(call, cluster))
    put = await call.services.clusters.put(call.caller, cluster, expected, body.draft())
    status = 201 if put.created else 200
    return rendered(Cluster.of(put.cluster), status, version=put.cluster.version)


@router.delete("/{cluster}", operation_id="deleteCluster", status_code=204)
async def delete_cluster(call: Call, cluster: ClusterPath) -> Response:
    """Believe its tokens no more. Refused while a project has workloads of it."""
    expected = await call.expected_version(lambda: _version(call, cluster))
    await call.services.clusters.delete(call.caller, cluster, expected)
    return Response(status_code=204)


async def _version(call: Call, cluster: str) -> int:
    return (await call.services.clusters.get(call.caller, cluster)).version
