"""The sync as its manifests run it: a process of its own, with no right but what they grant."""

from __future__ import annotations

import base64
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import trustme
import yaml

from tests.clients.stub_service import KEY, StubService, as_auth, pull_secret
from tests.house.source import ROOT
from tests.system.conftest import RequireTool
from tests.tools.canary import Canary, Scanner
from tests.tools.kube_api import SYNC, Key, KubeAPI
from tests.tools.kube_rules import Rights
from tests.tools.programs import (
    Daemon,
    environment,
    find,
    free_port,
    http_status,
    regcred,
    run,
    run_watched,
    wait_for,
)

pytestmark = pytest.mark.system

DEPLOY = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.28", "1.34", "1.37")
LABELLED = {"regcred.dev/pull": "true"}

Manifests = list[dict[str, Any]]


def labelled() -> Manifests:
    """Return the manifests that follow labels, as they stand in the files."""
    made: Manifests = []
    for folder in (DEPLOY / "base", DEPLOY / "by-label"):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        made += (one for name in listed for one in yaml.safe_load_all((folder / name).read_text()))
    return made


@pytest.fixture
def named(require_tool: RequireTool, tmp_path: Path) -> Manifests:
    """Return the manifests for namespaces that are named, as kubectl makes them."""
    return built("by-name", require_tool, tmp_path)


def built(folder: str, require_tool: RequireTool, home: Path) -> Manifests:
    require_tool("kubectl")
    done = run([find("kubectl"), "kustomize", str(DEPLOY / folder)], env=environment(home))
    assert done.code == 0, done.err
    return list(yaml.safe_load_all(done.out))


def of_kind(manifests: Manifests, kind: str) -> dict[str, Any]:
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def container(manifests: Manifests) -> dict[str, Any]:
    (only,) = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


class Pod:
    """The manifests' container as a process on this machine."""

    def __init__(self, kube: KubeAPI, stub: StubService, folder: Path) -> None:
        self.kube = kube
        self.folder = folder
        self.health = free_port()
        self.key = folder / "key"
        self.key.write_text(KEY)
        self.key.chmod(0o440)
        self.env = environment(
            folder,
            REGCRED_URL=stub.url,
            KUBECONFIG=str(kube.kubeconfig(folder)),
        )
        self.running: list[Daemon] = []

    def argv(self, manifests: Manifests, *more: str) -> list[str]:
        put = {
            "--health": f"127.0.0.1:{self.health}",
            "--key-file": str(self.key),
        }
        arguments = [
            f"{name}={put.get(name, value)}" if equals else name
            for name, equals, value in (one.partition("=") for one in container(manifests)["args"])
        ]
        assert container(manifests)["command"] == ["regcred"]
        return [*regcred(), *arguments, *more]

    def start(self, manifests: Manifests, name: str = "sync") -> Daemon:
        argv = self.argv(manifests, "--interval=1")
        daemon = Daemon(argv, env=self.env, logs=self.folder, name=name)
        self.running.append(daemon)
        return daemon

    def stop(self) -> None:
        for daemon in self.running:
            daemon.stop()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def stub() -> Iterator[StubService]:
    service = StubService()
    yield service
    service.close()


@pytest.fixture
def pod(
    authority: trustme.CA, stub: StubService, tmp_path: Path
) -> Iterator[Callable[[Manifests], Pod]]:
    """Make pods whose cluster grants what the manifests say and nothing else."""
    made: list[Pod] = []

    def make(manifests: Manifests) -> Pod:
        rights = Rights(manifests, "regcred", "regcred-sync")
        kube = KubeAPI(authority, rights)
        kube.add_namespace("regcred")
        kube.add_namespace("team-a", **LABELLED)
        kube.add_namespace("team-b", **LABELLED)
        kube.add_namespace("elsewhere")
        made.append(Pod(kube, stub, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        one.kube.close()


def holder(kube: KubeAPI) -> str:
    lease = kube.things.get(Key("leases", "regcred", "regcred-sync"))
    return str(lease["spec"]["holderIdentity"]) if lease else ""


def live_through_everything(pod: Pod, stub: StubService, manifests: Manifests) -> None:
    """Start, serve, follow new logins, take away where it is no longer wanted, and end."""
    kube = pod.kube
    # What a sync with more namespaces left behind.
    kube.put("serviceaccounts", "team-b", {"metadata": {"name": "default"}})
    kube.rights, granted = None, kube.rights
    more = [
        "--once",
        *(f"--namespace={name}" for name in ("team-a", "team-b")),
        "--service-account=default",
        f"--key-file={pod.key}",
    ]
    assert run([*regcred(), "kubernetes", "sync", *more], env=pod.env).code == 0
    kube.rights = granted
    kube.used.clear()
    kube.things.pop(Key("secrets", "team-a", "regcred"))
    kube.owned.pop(Key("secrets", "team-a", "regcred"))
    kube.edit("serviceaccounts", "team-a", "default", imagePullSecrets=None)
    kube.edit("namespaces", "", "team-b", metadata={"labels": {"regcred.dev/pull": "false"}})

    daemon = pod.start(manifests)
    wait_for(lambda: kube.secret("team-a") and kube.pull_secrets("team-a"))
    first = kube.secret("team-a")
    assert first is not None
    wait_for(lambda: http_status(pod.health, "/readyz") == 200)
    assert http_status(pod.health, "/livez") == 200
    canary = Canary.fresh("login", "puller")
    stub.auths = {"registry.example": {"auth": as_auth("puller", canary.secret)}}
    wanted = pull_secret("regcred", stub.auths)["data"]
    wait_for(lambda: (kube.secret("team-a") or first)["data"] == wanted)
    assert holder(kube)
    scanner = Scanner([canary, Canary("key", KEY.split("_")[2])])
    scanner.scan_process("process", daemon.pid)
    assert daemon.stop() == 0
    scanner.scan("log", daemon.text.encode())
    assert scanner.hits == []
    assert scanner.read["log"]
    assert holder(kube) == ""


def test_the_manifests_grant_what_a_sync_by_labels_uses_and_nothing_else(
    pod: Callable[[Manifests], Pod], stub: StubService
) -> None:
    manifests = labelled()
    made = pod(manifests)
    live_through_everything(made, stub, manifests)

    assert made.kube.rights is not None
    assert made.kube.used == made.kube.rights.granted()
    assert made.kube.secret("team-b") is None
    assert made.kube.pull_secrets("team-b") == []


def test_the_manifests_grant_what_a_sync_by_names_uses_and_nothing_else(
    pod: Callable[[Manifests], Pod], stub: StubService, named: Manifests
) -> None:
    binding = yaml.safe_load((DEPLOY / "by-name" / "team-a.yaml").read_text())
    binding["metadata"]["namespace"] = "team-b"  # It was served once, and is to be cleared.
    manifests = [*named, binding]
    made = pod(manifests)
    live_through_everything(made, stub, manifests)

    assert made.kube.rights is not None
    assert made.kube.used == made.kube.rights.granted()
    assert made.kube.secret("team-b") is None


def test_each_right_that_names_can_narrow_is_narrowed() -> None:
    rules = [rule for one in labelled() for rule in one.get("rules", ())]
    wide = [(rule["resources"], rule["verbs"]) for rule in rules if not rule.get("resourceNames")]

    assert wide == [(["namespaces"], ["list"]), (["leases"], ["create"])]


def test_what_stands_in_the_rights_is_what_the_deployment_names() -> None:
    manifests = labelled()
    arguments = dict(
        one.removeprefix("--").split("=", 1) for one in container(manifests)["args"] if "=" in one
    )
    named = {
        (resource, name)
        for one in manifests
        for rule in one.get("rules", ())
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ())
    }

    assert named == {
        ("secrets", arguments["secret-name"]),
        ("serviceaccounts", arguments["service-account"]),
        ("leases", arguments["lease"]),
    }
    pod = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == of_kind(manifests, "ServiceAccount")["metadata"]["name"]
    (volume,) = pod["volumes"]
    (mount,) = container(manifests)["volumeMounts"]
    assert arguments["key-file"] == f"{mount['mountPath']}/{volume['name']}"


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(version: str) -> None:
    binding = yaml.safe_load((DEPLOY / "by-name" / "team-a.yaml").read_text())

    for manifest in [*labelled(), binding]:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("folder", ["by-label", "by-name"])
def test_kubectl_builds_what_kubernetes_takes(
    folder: str, require_tool: RequireTool, tmp_path: Path
) -> None:
    manifests = built(folder, require_tool, tmp_path)

    for manifest in manifests:
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    assert container(manifests)["image"] == "registry.example/regcred:1"


def test_the_manifests_by_name_bind_no_right_in_every_namespace_but_to_find(
    named: Manifests,
) -> None:
    bound = [one["roleRef"]["name"] for one in named if one["kind"] == "ClusterRoleBinding"]
    roles = {one["metadata"]["name"]: one for one in named if "rules" in one}

    assert bound == ["regcred-sync-find"]
    assert [rule["resources"] for rule in roles["regcred-sync-find"]["rules"]] == [["secrets"]]
    assert "--namespace=team-a" in container(named)["args"]


def test_the_manifests_keep_the_form_that_the_oldest_kubectl_reads() -> None:
    for folder in ("by-label", "by-name"):
        read = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
        # kubectl 1.20, which is Debian 12's, takes folders in `bases` alone, and
        # `patches` with a target not at all.
        assert read["bases"] == ["../base"]
        assert not any((DEPLOY / folder / one).is_dir() for one in read["resources"])
        assert "patches" not in read


def test_the_pod_may_do_nothing_that_it_need_not() -> None:
    pod = of_kind(labelled(), "Deployment")["spec"]["template"]["spec"]
    inside = container(labelled())["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside["readOnlyRootFilesystem"] is True
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert "memory" in container(labelled())["resources"]["limits"]


def test_another_process_takes_over_when_the_leader_ends(pod: Callable[[Manifests], Pod]) -> None:
    made = pod(labelled())
    first = made.start(labelled(), "first")
    wait_for(lambda: holder(made.kube))
    leader = holder(made.kube)
    made.health = free_port()
    second = made.start(labelled(), "second")
    wait_for(lambda: http_status(made.health, "/readyz") == 200)
    assert holder(made.kube) == leader

    first.send(signal.SIGTERM)

    wait_for(lambda: holder(made.kube) not in {"", leader})
    assert "Another process leads" not in first.text
    assert first.wait() == 0
    assert second.code is None


def test_a_login_reaches_the_secrets_of_the_selected_namespaces_and_nothing_else(
    pod: Callable[[Manifests], Pod], stub: StubService
) -> None:
    canary = Canary.fresh("login", "puller")
    tokens = [Canary("key", KEY.split("_")[2]), Canary("token", SYNC)]
    stub.auths = {"registry.example": {"auth": as_auth("puller", canary.secret)}}
    manifests = labelled()
    made = pod(manifests)
    foreign = {"metadata": {"name": "regcred"}, "type": "Opaque"}
    made.kube.put("secrets", "team-b", foreign)
    scanner = Scanner([canary, *tokens])
    arguments = [
        *made.argv(manifests)[: len(regcred()) + 2],
        "--namespace-selector=regcred.dev/pull=true",
        "--service-account=default",
        f"--key-file={made.key}",
        "--once",
    ]

    done = run_watched(arguments, env=made.env)
    scanner.scan("output", done.finished.text.encode())
    scanner.scan("arguments", *done.command_lines)
    scanner.scan("environment", *done.environments)

    assert done.finished.code == 1  # A namespace of somebody's, whose refusal is told as well.
    assert scanner.hits == []
    assert all(scanner.read[sink] for sink in ("output", "arguments", "environment"))
    data = pull_secret("regcred", stub.auths)["data"][".dockerconfigjson"]
    inner = base64.b64decode(data)
    audit = Scanner([canary])
    sent = {
        (asked.act.verb, asked.act.resource, asked.act.namespace)
        for asked in made.kube.asked
        if data.encode() in asked.body or inner in asked.body or audit.scan("body", asked.body)
    }
    assert sent == {("patch", "secrets", "team-a")}
