"""The kubelet's plugin against the real service, started as the kubelet starts it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from regcred.clients import assembly
from tests.tools.api import Api
from tests.tools.issuer import AUDIENCE, Issuer
from tests.tools.programs import Finished, environment, regcred, run
from tests.tools.service import Service

pytestmark = pytest.mark.system

API = "credentialprovider.kubelet.k8s.io/"
IMAGE = "registry.example/team/app"
PASSWORD = "the-registry-s-password"
NODE = os.uname().nodename


@dataclass
class Node:
    """A node with a key, and the plugin that `regcred kubelet install` placed."""

    service: Service
    api: Api
    env: dict[str, str]
    folder: Path

    def ask(self, request: str | dict[str, Any], *arguments: str) -> Finished:
        text = request if isinstance(request, str) else json.dumps(request) + "\n"
        plugin = self.folder / "bin" / "regcred-kubelet-provider"
        return run([str(plugin), *arguments], env=self.env, stdin=text)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("kubelet"))
    made.init()
    with made.serving():
        yield made


@pytest.fixture
def node(service: Service, tmp_path: Path) -> Iterator[Node]:
    """What the kubelet's configuration says is what the plugin gets, and nothing else."""
    with service.api() as api:
        key = tmp_path / "key"
        key.write_text(api.make_key("node", "puller")["key"])
        key.chmod(0o600)
        config = tmp_path / "config.yaml"
        install = [*regcred(), "kubelet", "install", "--url", service.url, "--key-file", str(key)]
        places = ["--bin-dir", str(tmp_path / "bin"), "--config", str(config)]
        done = run([*install, *places, "-r", "registry.example"], env=environment(tmp_path))
        assert done.code == 0, done.text
        env = {"REGCRED_URL": service.url, "REGCRED_KEY_FILE": str(key), "PATH": "/usr/bin"}
        assert all(f"value: {value}" in config.read_text() for value in list(env.values())[:2])
        yield Node(service, api, env, tmp_path)


@pytest.fixture
def login(node: Node) -> Iterator[str]:
    made = node.api.add("team", "registry.example/team", "puller", PASSWORD)
    yield made["id"]
    node.api.send("DELETE", f"projects/-/credentials/{made['id']}")


def request(version: str = "v1", image: str = IMAGE, **more: Any) -> dict[str, Any]:
    head = {"kind": "CredentialProviderRequest", "apiVersion": API + version}
    return {**head, "image": image, **more}


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_the_kubelet_gets_a_login_in_its_own_version(node: Node, version: str) -> None:
    done = node.ask(request(version))

    assert (done.code, done.err) == (0, "")
    answer = json.loads(done.out)
    assert answer["kind"] == "CredentialProviderResponse"
    assert answer["apiVersion"] == API + version
    assert list(answer["auth"].values()) == [{"username": "puller", "password": PASSWORD}]
    assert all(IMAGE.startswith(key) for key in answer["auth"])


@pytest.mark.usefixtures("login")
def test_nothing_that_fits_is_an_answer(node: Node) -> None:
    done = node.ask(request(image="registry.example/other/app"))

    assert done.code == 0
    assert json.loads(done.out)["auth"] is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (request("v2"), "apiVersion"),
        ({**request(), "kind": "CredentialProviderResponse"}, "kind"),
        ({**request(), "more": PASSWORD}, "body"),
        ({**request(), "image": 7}, "image"),
        (request(image="two words"), "image"),
        ('{"kind": "CredentialProviderRequest", "kind": "x"}', ""),
        (f'{{"image": {PASSWORD}}}', ""),
        ("{" * 2000 + "}" * 2000, ""),
    ],
)
def test_what_the_service_does_not_take_is_named_and_not_said_back(
    node: Node, asked: str | dict[str, Any], field: str
) -> None:
    done = node.ask(asked)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("regcred-kubelet-provider: regcred refused the kubelet's request: ")
    assert field in done.err
    assert PASSWORD not in done.err
    assert done.err.count("\n") == 1


@pytest.mark.usefixtures("login")
def test_a_revoked_key_counts_at_once(node: Node) -> None:
    made = node.api.make_key("short", "puller")
    key = node.folder / "key"
    key.write_text(made["key"])
    assert node.ask(request()).code == 0

    node.api.send("DELETE", f"projects/-/keys/{made['id']}")
    done = node.ask(request(), "--on-error", "anonymous")

    assert (done.code, done.out) == (1, "")
    assert "regcred refused this node: " in done.err


def test_who_fetched_it_is_known_by_node(node: Node, login: str) -> None:
    node.ask(request())

    fetches = node.api.send("GET", f"projects/-/credentials/{login}/fetches").json()["items"]
    assert {(one["client"], one["node"]) for one in fetches} == {("kubelet", NODE)}


@pytest.mark.usefixtures("login")
def test_a_pod_that_says_who_it_is_needs_no_key(node: Node) -> None:
    del node.env["REGCRED_KEY_FILE"]
    issuer = Issuer(datetime.now(UTC))
    cluster = {"issuer": issuer.name, "audience": AUDIENCE, "jwks": issuer.jwks()}
    node.api.ask("PUT", "clusters/nodes", cluster)
    workload = {"cluster": "nodes", "namespace": "shop", "service_account": "web"}
    node.api.ask("POST", "projects/-/workloads", {**workload, "image_patterns": [IMAGE]})

    good = node.ask(request(serviceAccountToken=issuer.token()))
    stranger = issuer.token("shop", "stranger")
    bad = node.ask(request(serviceAccountToken=stranger), "--on-error", "anonymous")

    assert PASSWORD in good.out
    assert (bad.code, bad.out) == (1, "")
    assert "regcred" in bad.err
    assert not any(part in bad.err for part in stranger.split("."))


def test_without_a_key_and_without_a_pod_it_says_what_to_set(node: Node) -> None:
    del node.env["REGCRED_KEY_FILE"]

    done = node.ask(request())

    assert (done.code, done.out) == (1, "")
    assert "Set REGCRED_KEY_FILE, or tokenAttributes" in done.err


def test_what_is_placed_is_what_this_tree_makes(node: Node) -> None:
    placed = node.folder / "bin" / assembly.KUBELET_PLUGIN.name

    assert placed.read_text() == assembly.assembled(assembly.KUBELET_PLUGIN)
