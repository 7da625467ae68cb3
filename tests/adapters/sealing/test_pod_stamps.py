"""Stamps: everything that decides is in them, and what does not decide is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.adapters.sealing.pod_stamps import KeyedPodStamps
from regcred.domain.registry import ImagePattern
from tests.adapters.storage.samples import START, a_cluster, a_workload

STAMPS = KeyedPodStamps(bytes(32))
ID = UUID(int=9)
CLUSTER = replace(a_cluster(jwks=None), id=ID)
WORKLOAD = replace(a_workload(ID, CLUSTER), id=ID)


@pytest.mark.parametrize(
    "change",
    [
        {"id": UUID(int=8)},
        {"name": "prod-2"},
        {"issuer": "https://attacker.example"},
        {"audience": "x"},
        {"jwks": "{}"},
        {"jwks": ""},
        {"jwks_uri": "https://attacker.example/keys"},
        {"ca_bundle": "PEM"},
        {"version": 2},
    ],
    ids=str,
)
def test_what_decides_which_tokens_are_believed_is_stamped(change: dict[str, Any]) -> None:
    assert STAMPS.cluster(replace(CLUSTER, **change)) != STAMPS.cluster(CLUSTER)


@pytest.mark.parametrize(
    "change",
    [
        {"id": UUID(int=8)},
        {"project_id": UUID(int=8)},
        {"cluster_id": UUID(int=8)},
        {"namespace": "*"},
        {"service_account": "*"},
        {"image_patterns": (ImagePattern("*", None, ""),)},
        {"image_patterns": ()},
    ],
    ids=str,
)
def test_what_decides_who_may_pull_is_stamped(change: dict[str, Any]) -> None:
    assert STAMPS.workload(replace(WORKLOAD, **change)) != STAMPS.workload(WORKLOAD)


def test_times_and_a_clusters_name_on_its_workloads_decide_nothing() -> None:
    later = START + timedelta(days=1)
    cluster = replace(CLUSTER, created_at=later, updated_at=later)
    workload = replace(WORKLOAD, created_at=later, cluster="renamed")

    assert STAMPS.cluster(cluster) == STAMPS.cluster(CLUSTER)
    assert STAMPS.workload(workload) == STAMPS.workload(WORKLOAD)


def test_another_key_stamps_otherwise_and_none_shows() -> None:
    other = KeyedPodStamps(b"k" * 32)

    assert other.cluster(CLUSTER) != STAMPS.cluster(CLUSTER)
    assert repr(other) == "<pod stamps>"
