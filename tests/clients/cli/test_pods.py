"""cluster and workload: whose pods are believed, and which may pull."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import StubService, cluster, problem, workload

KEYS = {"keys": [{"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"}]}
ADD = (
    *("cluster", "add", "prod-1", "--issuer", "https://issuer.example"),
    *("--audience", "https://regcred.example/prod-1"),
)
ID: str = workload(1)["id"]


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(KEYS))
    return str(path)


def test_a_cluster_is_added_with_its_keys(stub: StubService, regcred: Regcred, jwks: str) -> None:
    done = regcred(*ADD, "--jwks", jwks)

    assert done.code == 0, done.err
    assert stub.last.json == {
        "issuer": "https://issuer.example",
        "audience": "https://regcred.example/prod-1",
        "jwks": KEYS,
    }
    assert "if-match" not in stub.last.headers
    assert "1 given" in regcred("cluster", "ls").out


def test_or_with_where_they_are(stub: StubService, regcred: Regcred, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("PEM")

    regcred(*ADD, "--jwks-uri", "https://keys.example/jwks", "--ca-file", str(ca))
    sent = stub.last.json
    listed = regcred("cluster", "ls").out
    regcred(*ADD, "--replace")

    assert sent["jwks_uri"] == "https://keys.example/jwks"
    assert sent["ca_bundle"] == "PEM"
    assert "from https://keys.example/jwks" in listed
    assert "from discovery" in regcred("cluster", "ls").out


def test_a_cluster_that_is_there_is_replaced_only_when_asked(
    stub: StubService, regcred: Regcred, jwks: str
) -> None:
    stub.clusters["prod-1"] = cluster("prod-1")

    refused = regcred(*ADD, "--jwks", jwks)
    asked = [one.method for one in stub.seen]
    replaced = regcred(*ADD, "--jwks", jwks, "--replace")

    assert (refused.code, "--replace" in refused.err, asked) == (5, True, ["GET"])
    assert replaced.code == 0
    assert stub.last.headers["if-match"] == '"5"'


def test_a_service_that_refuses_is_heard(stub: StubService, regcred: Regcred) -> None:
    refusal = problem("access-denied", 403, "needs an operator's key")
    stub.planted["GET", "/v1/clusters/prod-1"] = refusal

    assert regcred(*ADD).code == 4
    assert stub.clusters == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not json", "holds a JSON Web Key Set"),
        (b"[]", "holds a JSON Web Key Set"),
        (b"[" * 5000, "holds a JSON Web Key Set"),
        (b"\xff", "not UTF-8"),
        (b" " * 65_537, "longer than"),
    ],
    ids=range(5),
)
def test_a_file_without_keys_is_not_sent(
    stub: StubService, regcred: Regcred, tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)

    done = regcred(*ADD, "--jwks", str(path))

    assert (done.code, why in done.err) == (2, True)
    assert stub.seen == []


def test_a_file_that_is_not_there_is_said(
    stub: StubService, regcred: Regcred, tmp_path: Path
) -> None:
    done = regcred(*ADD, "--ca-file", str(tmp_path / "none"))

    assert (done.code, "--ca-file" in done.err) == (2, True)
    assert stub.seen == []


def test_clusters_are_listed_shown_and_deleted(stub: StubService, regcred: Regcred) -> None:
    stub.clusters |= {"prod-1": cluster("prod-1"), "prod-2": cluster("prod-2", jwks=KEYS)}

    assert regcred("cluster", "ls", "-o", "name").out == "prod-1\nprod-2\n"
    assert json.loads(regcred("cluster", "show", "prod-2", "-o", "json").out)["jwks"] == KEYS
    assert regcred("cluster", "rm", "prod-1").code == 2
    assert regcred("cluster", "rm", "prod-1", "--yes").err == "Deleted cluster prod-1.\n"
    assert stub.last.headers["if-match"] == '"5"'
    assert regcred("cluster", "show", "prod-1").code == 3


def test_a_service_account_is_allowed(stub: StubService, regcred: Regcred) -> None:
    done = regcred(
        *("workload", "allow", "prod-1", "shop", "*"),
        *("--image", "registry.example/shop", "--image", "ghcr.io/team"),
    )

    assert done.code == 0, done.err
    assert stub.last.path == "/v1/projects/-/workloads"
    assert stub.last.json == {
        "cluster": "prod-1",
        "namespace": "shop",
        "service_account": "*",
        "image_patterns": ["registry.example/shop", "ghcr.io/team"],
    }


def test_nobody_is_allowed_every_image_by_leaving_it_away(
    stub: StubService, regcred: Regcred
) -> None:
    assert regcred("workload", "allow", "prod-1", "shop", "web").code == 2
    assert stub.seen == []


def test_workloads_are_listed_and_withdrawn(stub: StubService, regcred: Regcred) -> None:
    stub.workloads[ID] = workload(1)

    assert "registry.example/shop" in regcred("workload", "ls").out
    assert regcred("workload", "rm", ID).code == 2
    assert regcred("workload", "rm", ID, "--yes").err == f"Withdrew workload {ID}.\n"
    assert stub.workloads == {}
    assert regcred("workload", "rm", ID, "--yes").code == 3


def test_a_service_account_is_allowed_once(stub: StubService, regcred: Regcred) -> None:
    detail = f"shop/web has a workload already ({ID})"
    stub.plant("POST", "/v1/projects/-/workloads", problem("name-taken", 409, detail))

    done = regcred("workload", "allow", "prod-1", "shop", "web", "--image", "*")

    assert done.code == 5
    assert detail in done.err
    assert "workload rm" in done.err
    assert "another name" not in done.err


def test_what_else_is_wrong_with_it_is_said_as_ever(stub: StubService, regcred: Regcred) -> None:
    stub.plant("POST", "/v1/projects/-/workloads", problem("access-denied", 403, "no"))

    assert regcred("workload", "allow", "prod-1", "shop", "web", "--image", "*").code == 4
