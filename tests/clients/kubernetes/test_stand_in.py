"""The API server of these tests refuses what a real one refuses: else they would prove little."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightkube
import pytest
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.core_v1 import LocalObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Secret, ServiceAccount

from regcred.clients.kubernetes.cluster import Cluster
from regcred.clients.kubernetes.refusals import ClusterRefused
from tests.clients.kubernetes.conftest import SYNC
from tests.tools.kube_api import KubeAPI
from tests.tools.kube_rules import Refusal, Rights, selects

PULL = "kubernetes.io/dockerconfigjson"
EMPTY = base64.b64encode(b"{}").decode()


def secret(**more: Any) -> Secret:
    meta = ObjectMeta(name="a", namespace="space", annotations=more.pop("annotations", None))
    return Secret(metadata=meta, **{"data": {"key": EMPTY}, **more})


@pytest.fixture
def space(kube: KubeAPI, client: lightkube.Client) -> lightkube.Client:
    kube.add_namespace("space")
    return client


def refused(client: lightkube.Client, wanted: Any, **how: Any) -> tuple[int, str]:
    with pytest.raises(lightkube.ApiError) as caught:
        client.apply(wanted, **{"field_manager": "one", **how})
    return caught.value.status.code or 0, caught.value.status.reason or ""


def test_a_field_of_another_manager_is_a_conflict_until_it_is_forced(
    space: lightkube.Client,
) -> None:
    space.apply(secret(), field_manager="one")
    space.apply(secret(), field_manager="two")
    other = secret(data={"key": "b3RoZXI="})

    assert refused(space, other) == (409, "Conflict")
    space.apply(other, field_manager="one", force=True)
    assert refused(space, secret(), field_manager="two") == (409, "Conflict")


def test_what_is_no_longer_applied_goes_unless_another_owns_it(space: lightkube.Client) -> None:
    space.apply(secret(annotations={"mine": "1", "ours": "1"}), field_manager="one")
    space.apply(secret(annotations={"ours": "1"}), field_manager="two")

    left = space.apply(secret(), field_manager="one")

    assert left.metadata is not None
    assert left.metadata.annotations == {"ours": "1"}


def test_an_applied_list_of_pull_secrets_replaces_everybodys(
    kube: KubeAPI, space: lightkube.Client
) -> None:
    kube.edit("serviceaccounts", "space", "default", imagePullSecrets=[{"name": "theirs"}])
    wanted = ServiceAccount(
        metadata=ObjectMeta(name="default", namespace="space"),
        imagePullSecrets=[LocalObjectReference(name="a")],
    )

    space.apply(wanted, field_manager="one", force=True)

    assert kube.pull_secrets("space") == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        {"type": PULL, "data": {".dockerconfigjson": EMPTY}},
        {"data": {"key": "b3RoZXI="}},
        {"immutable": False},
    ],
)
def test_what_is_immutable_stays(space: lightkube.Client, change: Any) -> None:
    space.apply(secret(immutable=True), field_manager="one")
    wanted = {"immutable": True, **change}

    assert refused(space, secret(**wanted), force=True) == (422, "Invalid")


@pytest.mark.parametrize("data", [{}, {".dockerconfigjson": "W10="}, {".dockerconfigjson": "!"}])
def test_a_pull_secret_is_a_json_object(space: lightkube.Client, data: Any) -> None:
    assert refused(space, secret(type=PULL, data=data)) == (422, "Invalid")


def test_a_version_that_is_past_is_a_conflict(space: lightkube.Client) -> None:
    made = space.apply(secret(), field_manager="one")
    assert made.metadata is not None
    space.apply(secret(annotations={"a": "b"}), field_manager="one")
    wanted = secret()
    assert wanted.metadata is not None
    wanted.metadata.resourceVersion = made.metadata.resourceVersion

    assert refused(space, wanted) == (409, "Conflict")


def test_a_time_without_a_fraction_is_no_micro_time(space: lightkube.Client) -> None:
    made = Lease(
        metadata=ObjectMeta(name="lead", namespace="space"),
        spec=LeaseSpec(renewTime=datetime(2026, 11, 29, 12, tzinfo=UTC)),
    )

    with pytest.raises(lightkube.ApiError, match="parsing time"):
        space.create(made)


def test_a_strange_token_is_nobodys(kube: KubeAPI, tmp_path: Path) -> None:
    config = lightkube.KubeConfig.from_file(kube.kubeconfig(tmp_path, token="stranger"))
    with lightkube.Client(config) as client, pytest.raises(lightkube.ApiError, match="Unauth"):
        client.get(Secret, "a", namespace="space")
    assert kube.asked == []


def rules(verbs: list[str], **more: Any) -> Rights:
    role = {
        "kind": "ClusterRole",
        "metadata": {"name": "role"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs, **more}],
    }
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "binding", "namespace": "space"},
        "roleRef": {"kind": "ClusterRole", "name": "role"},
        "subjects": [{"kind": "ServiceAccount", "name": "sync", "namespace": "regcred"}],
    }
    return Rights([role, binding], "regcred", "sync")


def test_an_apply_that_creates_needs_the_right_to_create(
    kube: KubeAPI, space: lightkube.Client
) -> None:
    kube.rights = rules(["patch"], resourceNames=["a"])
    assert refused(space, secret()) == (403, "Forbidden")

    kube.rights = rules(["patch", "create"], resourceNames=["a"])
    space.apply(secret(), field_manager="one")
    elsewhere = secret()
    assert elsewhere.metadata is not None
    elsewhere.metadata.namespace = "regcred"
    assert refused(space, elsewhere) == (403, "Forbidden")
    assert {act[0] for act in kube.used} == {"patch", "create"}


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ("", True),
        ("a=1", True),
        ("a==1", True),
        ("a=2", False),
        ("a!=2,c!=1", True),
        ("a!=1", False),
        ("a in (1,2),!c", True),
        ("a notin (1,2)", False),
        ("c notin (1,2)", True),
        ("a,b", True),
        ("c", False),
    ],
)
def test_selectors_are_read_as_kubernetes_reads_them(selector: str, taken: bool) -> None:
    assert selects(selector, {"a": "1", "b": "x"}) is taken


def test_a_selector_that_is_none_is_refused() -> None:
    with pytest.raises(Refusal):
        selects("a in 1", {})


def test_a_deletion_of_what_is_not_there_as_it_was_read_is_a_conflict(
    kube: KubeAPI, space: lightkube.Client
) -> None:
    made = space.apply(secret(), field_manager="one")
    assert made.metadata is not None
    cluster = Cluster(replace(SYNC, secret="a"), space)
    there = cluster.secret("space")
    assert there is not None

    for stale in (replace(there, uid="another"), replace(there, version="0")):
        with pytest.raises(ClusterRefused, match="Precondition failed"):
            cluster.delete(stale)
    cluster.delete(there)
    cluster.delete(there)

    assert kube.secret("space", "a") is None
