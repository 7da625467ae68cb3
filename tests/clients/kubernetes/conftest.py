"""A sync and the cluster that it works in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightkube
import pytest

from regcred.clients.kubernetes.cluster import Cluster
from regcred.clients.kubernetes.reconcile import Outcome, Reconciler
from regcred.clients.kubernetes.wanted import KEY, Logins, Sync
from tests.clients.stub_service import as_auth, pull_secret
from tests.tools.kube_api import KubeAPI

SYNC = Sync("0199-project", "pulls", "regcred", selector="pull=true", accounts=("default",))


def logins(password: str = "s3cr3t") -> Logins:
    made = pull_secret("regcred", {"registry.example": {"auth": as_auth("puller", password)}})
    return Logins(made["data"][KEY], ("registry.example",))


class Bench:
    """A sync whose settings a test changes, in a cluster that it looks at."""

    def __init__(self, kube: KubeAPI, client: lightkube.Client) -> None:
        self.kube = kube
        self.client = client
        self.sync = SYNC
        self.going = True

    def set(self, **changes: Any) -> None:
        self.sync = replace(self.sync, **changes)

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(self.sync, Cluster(self.sync, self.client), lambda: self.going)

    def run(self, wanted: Logins | None = None) -> dict[str, str]:
        return told(self.reconciler.reconcile(wanted or logins()))

    def writes(self) -> list[tuple[str, str, str]]:
        acts = self.kube.acts("create", "patch", "update", "delete")
        return [(act.verb, act.resource, act.namespace) for act in acts]


def told(outcomes: list[Outcome]) -> dict[str, str]:
    """Return what became of each namespace, and why where that is said."""
    return {
        one.namespace: f"{one.result}: {one.why}" if one.why else str(one.result)
        for one in outcomes
    }


@pytest.fixture
def client(kube: KubeAPI, tmp_path: Path) -> Iterator[lightkube.Client]:
    config = lightkube.KubeConfig.from_file(kube.kubeconfig(tmp_path))
    with lightkube.Client(config, field_manager="regcred") as made:
        yield made


@pytest.fixture
def bench(kube: KubeAPI, client: lightkube.Client) -> Bench:
    kube.add_namespace("team-a", pull="true")
    kube.add_namespace("team-b", pull="true")
    kube.add_namespace("elsewhere")
    return Bench(kube, client)
