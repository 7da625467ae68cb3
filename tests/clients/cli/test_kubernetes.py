"""regcred kubernetes: what is printed, what is refused, and how a single look ends."""

from __future__ import annotations

import builtins
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.cli.conftest import Ran, Regcred
from tests.clients.stub_service import (
    KEY,
    REVEALED,
    Reply,
    StubService,
    as_auth,
    problem,
    pull_secret,
)
from tests.tools.kube_api import KubeAPI
from tests.tools.kube_rules import Act, Refusal

PATH = "/v1/projects/-/kubernetes-secret"
AUTHS = {"registry.example": {"auth": as_auth("puller", REVEALED)}}


# secret


def test_a_secret_is_printed_as_the_service_made_it(regcred: Regcred, stub: StubService) -> None:
    done = regcred("kubernetes", "secret", "pull", "-o", "json")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == pull_secret("pull", AUTHS)
    assert stub.last.path == PATH
    assert stub.last.query == {"name": "pull"}


def test_yaml_is_the_usual_form(regcred: Regcred) -> None:
    done = regcred("kubernetes", "secret", "pull", "-n", "team-a")

    assert yaml.safe_load(done.out) == pull_secret("pull", AUTHS, "team-a")
    assert done.out.startswith("kind: Secret")


def test_several_namespaces_make_a_list(regcred: Regcred) -> None:
    done = regcred("kubernetes", "secret", "pull", *["-n", "a", "-n", "b", "-n", "a", "-o", "json"])

    assert json.loads(done.out) == {
        "apiVersion": "v1",
        "kind": "List",
        "items": [pull_secret("pull", AUTHS, "a"), pull_secret("pull", AUTHS, "b")],
    }


def test_logins_are_chosen_by_name_and_by_image(regcred: Regcred, stub: StubService) -> None:
    regcred(
        "kubernetes",
        "secret",
        "pull",
        "-c",
        "one",
        "-c",
        "two",
        "--image=a.example/b",
        "--project=2",
    )

    assert stub.last.path == "/v1/projects/2/kubernetes-secret"
    assert stub.queries[-1] == "name=pull&credential=one&credential=two&image=a.example%2Fb"


def test_logins_that_are_not_in_it_are_named(regcred: Regcred, stub: StubService) -> None:
    stub.handing = {"Regcred-Withheld": "h%C3%BCb (rejected)", "Regcred-Left-Out": "odd (colon)"}

    done = regcred("kubernetes", "secret", "pull")

    assert done.code == 0
    assert "Withheld, and left out: hüb (rejected)." in done.err
    assert "Not in it: odd (colon)." in done.err


@pytest.mark.parametrize(
    ("handing", "code"),
    [
        ({"Regcred-Withheld": "hub (rejected)"}, 6),
        ({"Regcred-Left-Out": "odd (colon)"}, 1),
        ({}, 3),
    ],
)
def test_a_secret_without_logins_is_not_printed(
    regcred: Regcred, stub: StubService, handing: dict[str, str], code: int
) -> None:
    stub.auths = {}
    stub.handing = handing

    done = regcred("kubernetes", "secret", "pull")

    assert (done.code, done.out) == (code, "")


def test_an_answer_that_is_no_secret_is_not_printed(regcred: Regcred, stub: StubService) -> None:
    stub.plant("GET", PATH, Reply(200, {"kind": "List"}))

    done = regcred("kubernetes", "secret", "pull")

    assert (done.code, done.out) == (1, "")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (problem("credential-not-found", 404, "no such credential"), 3),
        (problem("access-denied", 403, "this key may not reveal"), 4),
        (Reply(404, b"nothing", "text/plain"), 7),
        (Reply(302, b"", headers=(("Location", "/elsewhere"),)), 7),
    ],
)
def test_a_refusal_ends_as_words_and_a_code(
    regcred: Regcred, stub: StubService, reply: Reply, code: int
) -> None:
    stub.plant("GET", PATH, reply)

    done = regcred("kubernetes", "secret", "pull")

    assert (done.code, done.out) == (code, "")


@pytest.mark.parametrize("name", ["", "Pull", "a/b", "-a", "a" * 254, "a_b", "ä"])
def test_a_name_that_kubernetes_does_not_take_is_refused_here(
    regcred: Regcred, stub: StubService, name: str
) -> None:
    assert regcred("kubernetes", "secret", "--", name).code == 2
    assert regcred("kubernetes", "secret", "pull", f"--namespace={name}").code == 2
    assert stub.seen == []


# sync


@pytest.fixture
def sync(
    regcred: Regcred, kube: KubeAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Regcred:
    """Run `regcred kubernetes sync` against a cluster with three namespaces."""
    kube.add_namespace("team-a", pull="true")
    kube.add_namespace("team-b", pull="true")
    kube.add_namespace("elsewhere")
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path)))

    def run(*arguments: str, stdin: str | bytes | None = None) -> Ran:
        return regcred("kubernetes", "sync", *arguments, stdin=stdin)

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        "--once",
        "--once --namespace a --namespace-selector b=c",
        "--delete --namespace a",
        "--delete --namespace-selector a=b",
        "--once --namespace a --lease b",
        "--delete --health 127.0.0.1:8081",
        "--namespace a --lease-namespace b",
        "--namespace A",
        "--namespace a --secret-name A",
        "--namespace a --name A",
        "--namespace a --lease A",
        "--namespace a --lease b --lease-namespace B",
        "--namespace a --service-account A",
        "--namespace a --health 8081",
        "--namespace a --health 127.0.0.1:65536",
        "--namespace a --interval 0",
        "--once --namespace-selector a=b=c",
    ],
)
def test_usage_that_makes_no_sense_is_refused_before_anything_is_asked(
    sync: Regcred, stub: StubService, kube: KubeAPI, arguments: str
) -> None:
    assert sync(*arguments.split()).code == 2
    assert (stub.seen, kube.asked) == ([], [])


def test_without_the_extra_it_says_what_to_install(
    regcred: Regcred, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if name.startswith("regcred.clients.cli.syncing"):
            raise ModuleNotFoundError(name)
        return whole(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    done = regcred("kubernetes", "sync", "--once", "-n", "a")

    assert done.code == 2
    assert "`pip install '.[kubernetes]'` in a clone" in done.err


def test_one_look_writes_and_the_next_finds_it_so(
    sync: Regcred, stub: StubService, kube: KubeAPI
) -> None:
    arguments = (
        "--once",
        "--namespace-selector=pull=true",
        "--service-account=default",
        "--credential=one",
    )
    first, second = sync(*arguments), sync(*arguments)

    assert (first.code, first.out) == (0, "")
    assert first.err.splitlines() == [
        "namespace team-a: written",
        "namespace team-b: written",
        "2 written",
    ]
    assert second.err == "2 unchanged\n"
    assert stub.queries[-1] == "name=regcred&credential=one"
    made = kube.secret("team-a")
    assert made is not None
    assert made["data"] == pull_secret("regcred", AUTHS)["data"]
    assert made["metadata"]["annotations"]["regcred.dev/project"] == stub.projects[0]["id"]
    assert {asked.manager for asked in kube.asked if asked.body} == {"regcred"}


def test_delete_removes_what_the_sync_kept_and_nothing_else(sync: Regcred, kube: KubeAPI) -> None:
    sync("--once", "--namespace-selector", "pull=true", "--service-account", "default")
    sync("--once", "--namespace", "elsewhere", "--name", "another")

    done = sync("--delete")

    assert (done.code, done.err.splitlines()[-1]) == (0, "2 removed")
    assert kube.secret("team-a") is None
    assert kube.pull_secrets("team-a") == []
    assert kube.secret("elsewhere") is not None


def test_delete_needs_no_service_when_the_project_is_given_by_its_id(
    sync: Regcred, stub: StubService, kube: KubeAPI
) -> None:
    sync("--once", "--namespace-selector", "pull=true")
    project = stub.projects[0]["id"]
    stub.seen.clear()

    assert sync("--delete", "--project", project).code == 0
    assert (stub.seen, kube.secret("team-a")) == ([], None)


def test_a_removal_that_failed_is_a_failure(sync: Regcred, kube: KubeAPI) -> None:
    sync("--once", "--namespace-selector", "pull=true")

    def trip(act: Act) -> None:
        if act.verb == "delete" and act.namespace == "team-a":
            raise Refusal(403, "Forbidden", "not yours")

    kube.trip = trip
    done = sync("--delete")

    assert done.code == 1
    assert "namespace team-a: failed: could not delete secrets in team-a: not yours" in done.err
    assert kube.secret("team-b") is None


def test_one_bad_namespace_makes_the_look_fail(sync: Regcred, kube: KubeAPI) -> None:
    kube.put("secrets", "team-a", {"metadata": {"name": "regcred"}, "type": "Opaque"})

    done = sync("--once", "--namespace-selector", "pull=true")

    assert done.code == 1
    assert "namespace team-a: failed: the Secret regcred is not this sync's own" in done.err
    assert kube.secret("team-b") is not None


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (problem("not-authenticated", 401, "this key was revoked"), 4),
        (Reply(200, {"kind": "List"}), 1),
        (Reply(502, b"bad gateway", "text/plain"), 7),
        (Reply(200, pull_secret("regcred", {}), headers=(("Regcred-Withheld", "a (denied)"),)), 6),
        (Reply(200, pull_secret("regcred", {})), 3),
    ],
)
def test_what_could_not_be_fetched_is_told_by_the_code(
    sync: Regcred, stub: StubService, kube: KubeAPI, reply: Reply, code: int
) -> None:
    sync("--once", "--namespace-selector", "pull=true")
    before = kube.secret("team-a")
    stub.plant("GET", PATH, reply)

    done = sync("--once", "--namespace-selector", "pull=true")

    assert done.code == code
    assert "WARNING" in done.err
    assert kube.secret("team-a") == before


def test_a_service_that_is_away_at_the_start_ends_it(
    regcred: Regcred, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGCRED_URL", "http://127.0.0.1:1")

    assert regcred("kubernetes", "sync", "--once", "-n", "a").code == 7


def test_a_cluster_that_is_away_ends_a_single_look(sync: Regcred, kube: KubeAPI) -> None:
    kube.close()

    done = sync("--once", "-n", "team-a")

    assert done.code == 7
    assert "Error: the cluster: could not list secrets in all namespaces" in done.err


@pytest.mark.parametrize("text", [None, "{}", "users: ["])
def test_without_a_usable_kubeconfig_it_says_so(
    regcred: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    if text is not None:
        (tmp_path / "config").write_text(text)

    done = regcred("kubernetes", "sync", "--once", "-n", "a")

    assert done.code == 7
    assert "no cluster is configured" in done.err


def test_the_key_may_be_a_mounted_file(
    sync: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGCRED_KEY")
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o440)

    assert sync("--once", "-n", "team-a", "--key-file", str(path)).code == 0


@pytest.mark.parametrize(("mode", "said"), [(0o444, "others may read it"), (None, "there is no")])
def test_a_key_file_that_cannot_count_is_refused(
    sync: Regcred, tmp_path: Path, mode: int | None, said: str
) -> None:
    path = tmp_path / "key"
    if mode is not None:
        path.write_text(KEY)
        path.chmod(mode)

    done = sync("--once", "-n", "team-a", "--key-file", str(path))

    assert done.code == 4
    assert said in done.err
    assert KEY not in done.err


def test_a_health_address_that_is_taken_is_said_so(sync: Regcred, kube: KubeAPI) -> None:
    taken = kube._server.server_address[1]

    done = sync("-n", "team-a", "--health", f"127.0.0.1:{taken}")

    assert done.code == 1
    assert "Error: --health: Address already in use" in done.err


def test_a_single_look_that_is_interrupted_says_so(sync: Regcred, kube: KubeAPI) -> None:
    def trip(act: Act) -> None:
        if act.namespace == "team-a":
            signal.raise_signal(signal.SIGTERM)

    kube.trip = trip

    done = sync("--once", "--namespace-selector", "pull=true")

    assert done.code == 1
    assert "Interrupted" in done.err
    assert kube.secret("team-b") is None
