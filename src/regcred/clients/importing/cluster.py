"""The pull secrets that a cluster holds, for an import. Nothing in the cluster is changed."""

from __future__ import annotations

from collections.abc import Iterator

import lightkube
from lightkube.resources.core_v1 import Secret

from regcred.clients.importing.found import Found, Skipped
from regcred.clients.importing.pull_secrets import TYPES, read_manifest
from regcred.clients.kubernetes.bounds import whole
from regcred.clients.kubernetes.cluster import connect
from regcred.clients.kubernetes.refusals import asking

ALL_NAMESPACES = "*"
_PAGE = 500

_SECONDS = 120.0
"""How long a cluster's list of Secrets may take."""


def read_cluster(namespace: str) -> Iterator[Found | Skipped]:
    """Yield what the pull secrets of a namespace hold, `*` for all.

    Raise ClusterRefused, ClusterUnreachable.
    """
    where = "all namespaces" if namespace == ALL_NAMESPACES else namespace
    found: list[Secret] = []
    named = () if namespace == ALL_NAMESPACES else (namespace,)
    with connect() as client:
        for kind in TYPES:
            with asking(f"list secrets in {where}", *named):
                found += _of_type(client, namespace, kind)
    for one in found:
        yield from read_manifest({"kind": "Secret", **one.to_dict()}, "cluster")


def _of_type(client: lightkube.Client, namespace: str, kind: str) -> list[Secret]:
    # By type, so that other Secrets are not read at all.
    listed = client.list(Secret, namespace=namespace, fields={"type": kind}, chunk_size=_PAGE)
    return [one for one in whole(listed, _SECONDS) if one.type == kind]
