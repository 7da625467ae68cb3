"""regcred import kubernetes, with what kubectl writes."""

from __future__ import annotations

import builtins
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import StubService, as_auth, pull_secret
from tests.system.conftest import require_tool
from tests.tools.kube_api import KubeAPI
from tests.tools.kube_rules import Act, Refusal

SECRET = "canary-in-a-manifest"


def test_the_command_plans_what_kubectl_wrote(regcred: Regcred, tmp_path: Path) -> None:
    require_tool("kubectl")
    written = subprocess.run(
        [
            *("kubectl", "create", "secret", "docker-registry", "hub", "--docker-username=bot"),
            *(f"--docker-password={SECRET}", "--dry-run=client", "-o", "yaml"),
        ],
        env={"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )

    done = regcred("import", "kubernetes", "-", "-o", "json", stdin=written.stdout)

    (row,) = json.loads(done.out)
    assert (done.code, row["action"], row["registry"]) == (0, "create", "docker.io")
    assert row["sources"] == [
        {"where": "standard input, hub", "key": "https://index.docker.io/v1/"}
    ]
    assert SECRET not in done.out + done.err


def test_a_file_that_is_no_manifest_is_named(regcred: Regcred, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text(f"a: [{SECRET}")

    done = regcred("import", "kubernetes", str(tmp_path / "broken"), str(tmp_path / "missing"))

    assert done.code == 1
    assert "neither JSON nor YAML" in done.out
    assert "No such file" in done.out
    assert SECRET not in done.out + done.err


@pytest.fixture
def cluster(kube: KubeAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubeAPI:
    """A cluster that kubeconfig names, with a pull secret in each of two namespaces."""
    for namespace, registry in (("shop", "ghcr.io"), ("till", "quay.io")):
        kube.add_namespace(namespace)
        auths = {registry: {"auth": as_auth("bot", SECRET)}}
        kube.put("secrets", namespace, pull_secret("pull", auths, namespace))
    opaque = {"metadata": {"name": "opaque"}, "type": "Opaque", "data": {"a": "YQ=="}}
    kube.put("secrets", "shop", opaque)
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path)))
    return kube


@pytest.mark.parametrize(
    ("where", "registries"),
    [(("-n", "shop"), ["ghcr.io"]), (("--all-namespaces",), ["ghcr.io", "quay.io"])],
)
def test_a_live_cluster_is_read_and_not_written(
    regcred: Regcred, cluster: KubeAPI, where: tuple[str, ...], registries: list[str]
) -> None:
    done = regcred("import", "kubernetes", *where, "-o", "json")

    found = json.loads(done.out)
    assert done.code == 0
    assert [row["registry"] for row in found] == registries
    assert found[0]["sources"] == [{"where": "cluster, shop/pull", "key": "ghcr.io"}]
    assert {asked.act.verb for asked in cluster.asked} == {"list"}
    assert SECRET not in done.out + done.err


def test_a_cluster_that_refuses_is_told_from_one_that_is_away(
    regcred: Regcred, cluster: KubeAPI, stub: StubService
) -> None:
    def trip(_: Act) -> None:
        raise Refusal(403, "Forbidden", "secrets is forbidden")

    cluster.trip = trip
    refused = regcred("import", "kubernetes", "-A")
    cluster.close()
    away = regcred("import", "kubernetes", "-A")

    assert (refused.code, away.code) == (4, 7)
    assert "could not list secrets in all namespaces" in refused.err
    assert stub.seen == []


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4), (403, 4), (400, 1), (429, 7), (500, 7), (503, 7)]
)
def test_what_a_cluster_answers_is_told_by_the_code(
    regcred: Regcred, cluster: KubeAPI, status: int, code: int
) -> None:
    def trip(_: Act) -> None:
        raise Refusal(status, "Reason", "its words")

    cluster.trip = trip

    assert regcred("import", "kubernetes", "-A").code == code


@pytest.mark.parametrize("where", [(), ("-n", "shop", "-A"), ("file", "-A")])
def test_one_place_to_read_from_is_named(regcred: Regcred, where: tuple[str, ...]) -> None:
    assert regcred("import", "kubernetes", *where).code == 2


def test_without_the_extra_a_cluster_cannot_be_read(
    regcred: Regcred, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if name.startswith("regcred.clients.importing.cluster"):
            raise ModuleNotFoundError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)

    done = regcred("import", "kubernetes", "-A")

    assert done.code == 2
    assert "`pip install '.[kubernetes]'` in a clone" in done.err
