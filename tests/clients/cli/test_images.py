"""explain and resolve."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import REFERENCE, REVEALED, StubService, login, problem

IMAGE = "registry.example/team/app:1"
OUTPUTS = ["table", "json", "yaml", "name"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_resolve_shows_users_and_no_secret(
    stub: StubService, regcred: Regcred, output: str
) -> None:
    stub.logins = [login("one"), login("two")]

    done = regcred("resolve", IMAGE, "-o", output)

    assert done.code == 0
    assert "one" in done.out
    assert ("puller" in done.out) == (output != "name")
    assert REVEALED not in done.out + done.err
    assert stub.last.json == {"image": IMAGE, "client": "regcred-cli", "force": False}


def test_resolve_reveals_when_asked(stub: StubService, regcred: Regcred) -> None:
    stub.logins = [login("one")]

    said = [regcred("resolve", IMAGE, "--reveal", "-o", output) for output in OUTPUTS[:3]]

    assert all(REVEALED in done.out and REVEALED not in done.err for done in said)
    assert json.loads(said[1].out)["logins"][0]["password"] == REVEALED
    assert yaml.safe_load(said[2].out)["logins"][0]["password"] == REVEALED


def test_an_odd_secret_survives_json_and_yaml(stub: StubService, regcred: Regcred) -> None:
    odd = "a\x1b[31m\u202e\x85\U000e0041é'\"\n"
    stub.logins = [{**login("one"), "password": odd}]

    as_json, as_yaml, table = (
        regcred("resolve", IMAGE, "--reveal", "-o", output).out
        for output in ("json", "yaml", "table")
    )

    assert json.loads(as_json)["logins"][0]["password"] == odd
    assert yaml.safe_load(as_yaml)["logins"][0]["password"] == odd
    for printed in (as_json, as_yaml, table):
        assert not any(obeyed in printed for obeyed in "\x1b\u202e\x85\U000e0041")


def test_no_login_is_not_found(regcred: Regcred) -> None:
    done = regcred("resolve", IMAGE)

    assert (done.code, done.out) == (3, "")
    assert "`regcred explain IMAGE` says why" in done.err


def test_a_secret_that_could_not_be_exchanged_is_told_with_the_reason(
    stub: StubService, regcred: Regcred
) -> None:
    stub.withheld = [
        {
            "credential": {"id": "1", "name": "one"},
            "verdict": "denied",
            "reason": "The key may not ask for registry logins.",
        }
    ]
    done = regcred("resolve", "registry.example.com/app")

    assert "one has no login now (denied): The key may not ask for registry logins." in done.err


def test_only_withheld_logins_are_a_bad_verdict(stub: StubService, regcred: Regcred) -> None:
    stub.withheld = [{"credential": {"id": "1", "name": "one"}, "verdict": "rejected"}]

    done = regcred("resolve", IMAGE, "--force", "-o", "json")

    assert done.code == 6
    assert "one is withheld: its registry's verdict is rejected." in done.err
    assert stub.last.json["force"] is True


def test_an_unreadable_image_is_a_usage_error(stub: StubService, regcred: Regcred) -> None:
    errors = [{"field": "image", "rule": "must be lowercase"}]
    refused = problem("invalid-reference", 422, "image: must be lowercase", errors=errors)
    stub.plant("POST", "/v1/projects/-/explain", refused)

    done = regcred("explain", "NO")

    assert done.code == 2
    assert done.err == (
        "Error: image: must be lowercase\nAn image is written REGISTRY/REPOSITORY:TAG.\n"
    )


EXPLAINED = {
    "reference": REFERENCE,
    "candidates": [
        {
            "credential": {"id": "1", "name": "one"},
            "rank": 1,
            "rule": "exact host, covers path team",
            "withheld": False,
        },
        {
            "credential": {"id": "2", "name": "two"},
            "rank": None,
            "rule": "no",
            "withheld": True,
            "reason": "The key is disabled.",
        },
    ],
    "clients": {
        "docker": {
            "tried": [{"credential": {"id": "1", "name": "one"}, "as": "registry.example"}],
            "anonymous": False,
            "notes": ["asked by host alone"],
        },
        "containerd": {"tried": [], "anonymous": True, "notes": []},
        "kubelet": {
            "tried": [
                {"credential": {"id": "1", "name": "one"}, "as": "registry.example/team/"},
                {"credential": {"id": "2", "name": "two"}, "as": "registry.example"},
            ],
            "anonymous": False,
            "notes": [],
        },
        "nomad": {"tried": [], "anonymous": False, "notes": []},
    },
}


def test_explain_tells_the_order_and_each_client(stub: StubService, regcred: Regcred) -> None:
    stub.explained = EXPLAINED

    done = regcred("explain", IMAGE)

    assert done.code == 0
    assert "repository  team/app\n" in done.out
    assert "1     one         exact host, covers path team  no\n" in done.out
    assert "-     two         no                            yes\n" in done.out
    assert "two has no login now: The key is disabled.\n" in done.out
    assert (
        "docker tries this login\n  1. one as registry.example\n  - asked by host alone\n"
        in done.out
    )
    assert "containerd pulls anonymously\n" in done.out
    assert (
        "kubelet tries these logins, in this order\n"
        "  1. one as registry.example/team/\n  2. two as registry.example\n" in done.out
    )
    assert "nomad does not pull: it has no login\n" in done.out


@pytest.mark.parametrize("name", ["skopeo", "buildah"])
def test_explain_knows_who_pulls_as_podman_does(
    stub: StubService, regcred: Regcred, name: str
) -> None:
    stub.explained = {
        **EXPLAINED,
        "clients": {
            "docker": {"tried": [], "anonymous": True, "notes": []},
            "podman": {"tried": [], "anonymous": False, "notes": []},
        },
    }

    done = regcred("explain", IMAGE, "--client", name, "-o", "json")

    assert list(json.loads(done.out)["clients"]) == ["podman"]


def test_explain_tells_of_the_clients_that_are_asked_for(
    stub: StubService, regcred: Regcred
) -> None:
    stub.explained = EXPLAINED

    done = regcred("explain", IMAGE, "--client", "nomad", "--client", "docker", "-o", "json")
    told = regcred("explain", IMAGE, "--client", "nomad")

    assert list(json.loads(done.out)["clients"]) == ["docker", "nomad"]
    assert "docker" not in told.out
    assert "nomad does not pull" in told.out


def test_a_client_that_nobody_knows_is_a_usage_error(stub: StubService, regcred: Regcred) -> None:
    stub.explained = EXPLAINED

    done = regcred("explain", IMAGE, "--client", "rkt")

    assert (done.code, done.out) == (2, "")
    assert "No client is called rkt: there are docker, containerd, kubelet, nomad." in done.err


def test_explain_in_other_outputs(stub: StubService, regcred: Regcred) -> None:
    stub.explained = EXPLAINED

    assert json.loads(regcred("explain", IMAGE, "-o", "json").out) == EXPLAINED
    assert yaml.safe_load(regcred("explain", IMAGE, "-o", "yaml").out) == EXPLAINED
    assert regcred("explain", IMAGE, "-o", "name").out == "one\ntwo\n"


def test_explain_of_an_unknown_registry_says_so(stub: StubService, regcred: Regcred) -> None:
    stub.explained = {**EXPLAINED, "candidates": []}

    done = regcred("explain", IMAGE)

    assert done.code == 0
    assert "No login is for this registry." in done.out
