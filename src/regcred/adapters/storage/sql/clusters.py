"""Clusters: whose service-account tokens are believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, at_version
from regcred.adapters.storage.sql.rows import Row, instant, micros
from regcred.adapters.storage.sql.transaction import Clash, Transaction
from regcred.domain.audit import NO_PROJECT, AuditEvent
from regcred.domain.errors import (
    ClusterInUse,
    ClusterNotFound,
    InvalidInput,
    NameTaken,
    SealBroken,
)
from regcred.domain.ports import StoredCluster
from regcred.domain.workload import Cluster

CLUSTER = (
    "c.id, c.name, c.issuer, c.audience, c.created_at, c.updated_at, c.jwks, c.jwks_uri, "
    "c.ca_bundle, c.version, c.stamp"
)
CLUSTER_WIDTH = 11

_INSERT_CLUSTER = """
    INSERT INTO clusters (
        issuer, audience, jwks, jwks_uri, ca_bundle, updated_at, stamp, id, name, created_at,
        version
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
"""
_UPDATE_CLUSTER = """
    UPDATE clusters SET
        issuer = ?, audience = ?, jwks = ?, jwks_uri = ?, ca_bundle = ?, updated_at = ?,
        stamp = ?, version = version + 1
    WHERE id = ?
"""
_CLUSTER_NAMED = f"SELECT {CLUSTER} FROM clusters c WHERE c.name = ?"  # noqa: S608  constants
_CLUSTERS = f"SELECT {CLUSTER} FROM clusters c WHERE c.name > ? ORDER BY c.name LIMIT ?"  # noqa: S608  constants
_CLUSTER_VERSION = "SELECT version FROM clusters WHERE id = ?"
_NAMED_VERSION = "SELECT version, id FROM clusters WHERE name = ?"
_USED = "SELECT 1 FROM workloads WHERE cluster_id = ? LIMIT 1"
_DELETE_CLUSTER = "DELETE FROM clusters WHERE id = ?"


class Clusters(Access):
    """The port's methods on clusters."""

    async def create_cluster(self, stored: StoredCluster, event: AuditEvent) -> Cluster:
        """Raise NameTaken, InvalidInput."""
        cluster = stored.cluster

        async def work(transaction: Transaction) -> Cluster:
            try:
                await transaction.change(
                    _INSERT_CLUSTER,
                    (
                        *_columns(stored),
                        str(cluster.id),
                        cluster.name,
                        micros(cluster.created_at),
                    ),
                )
            except Clash as error:
                raise _clash(error) from error
            await transaction.audit(event)
            return await _stored(transaction, cluster.name)

        return await self._write(work, of=NO_PROJECT)

    async def update_cluster(
        self, stored: StoredCluster, expected_version: int | None, event: AuditEvent
    ) -> Cluster:
        """Raise ClusterNotFound, VersionMismatch, InvalidInput."""
        cluster = stored.cluster
        place = (str(cluster.id),)

        async def work(transaction: Transaction) -> Cluster:
            found = await transaction.one(_CLUSTER_VERSION, place)
            at_version(found, expected_version, ClusterNotFound())
            try:
                await transaction.change(_UPDATE_CLUSTER, (*_columns(stored), *place))
            except Clash as error:
                raise _clash(error) from error
            await transaction.audit(event)
            return await _stored(transaction, cluster.name)

        return await self._write(work, of=NO_PROJECT)

    async def find_cluster(self, name: str) -> StoredCluster:
        """Raise ClusterNotFound."""
        row = await self._one(_CLUSTER_NAMED, (name,), of=NO_PROJECT)
        if row is None:
            raise ClusterNotFound
        return cluster_of(row)

    async def list_clusters(self, after: str, limit: int) -> Sequence[Cluster]:
        """Return clusters with a name above `after` ("" for the start), in name order."""
        return [
            cluster_of(row).cluster
            for row in await self._all(_CLUSTERS, (after, limit), of=NO_PROJECT)
        ]

    async def delete_cluster(
        self, name: str, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Raise ClusterNotFound, VersionMismatch, ClusterInUse."""

        async def work(transaction: Transaction) -> None:
            found = await transaction.one(_NAMED_VERSION, (name,))
            _, id_ = at_version(found, expected_version, ClusterNotFound())
            if await transaction.one(_USED, (id_,)) is not None:
                raise ClusterInUse
            await transaction.change(_DELETE_CLUSTER, (id_,))
            await transaction.audit(event)

        await self._write(work, of=NO_PROJECT)


def _columns(stored: StoredCluster) -> Row:
    cluster, stamp = stored
    return (
        cluster.issuer,
        cluster.audience,
        cluster.jwks,
        cluster.jwks_uri,
        cluster.ca_bundle,
        micros(cluster.updated_at),
        stamp,
    )


async def _stored(transaction: Transaction, name: str) -> Cluster:
    row = at_version(await transaction.one(_CLUSTER_NAMED, (name,)), None, ClusterNotFound())
    return cluster_of(row).cluster


def _clash(error: Clash) -> Exception:
    """Return which of the two unique things it was, as SQLite names columns in its message."""
    if error.column == "name":
        return NameTaken("cluster")
    return InvalidInput("audience", "must be another: a cluster has this issuer and audience")


@lru_cache(maxsize=1024)
def cluster_of(row: Row) -> StoredCluster:
    """Return the cluster of a row. Raise SealBroken for what no write of this program leaves."""
    (
        id_, name, issuer, audience, created_at, updated_at, jwks, jwks_uri, ca_bundle, version,
        stamp,
    ) = row  # fmt: skip
    try:
        cluster = Cluster(
            UUID(id_),
            name,
            issuer,
            audience,
            instant(created_at),
            instant(updated_at),
            jwks=jwks,
            jwks_uri=jwks_uri,
            ca_bundle=ca_bundle,
            version=version,
        )
    except (ValueError, OverflowError) as error:
        raise SealBroken("a cluster") from error
    return StoredCluster(cluster, stamp)
