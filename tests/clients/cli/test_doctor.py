"""doctor registry: what a registry wants of a login."""

from __future__ import annotations

import json

import pytest

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import NOW, StubService, problem

KINDS = {
    "ok": 0,
    "public": 0,
    "rate_limited": 6,
    "unreachable": 6,
    "untrusted_realm": 6,
    "not_a_registry": 6,
    "unsupported": 6,
    "not known yet": 6,
}


def test_a_person_reads_what_it_wants_and_what_to_do(stub: StubService, regcred: Regcred) -> None:
    done = regcred("doctor", "registry", "registry.example:5000", "--setting", "realm=a=b")

    assert [" ".join(line.split()) for line in done.out.splitlines()] == [
        "registry registry.example:5000",
        "verdict ok",
        "meaning a login can be tried here",
        f"asked {NOW}",
        "evidence: scheme bearer",
        "evidence: realm_host auth.example",
        "evidence: clock_skew_s -2",
        "next step Do what one does about ok.",
    ]
    assert (done.code, done.err) == (0, "")
    assert stub.last.json == {"registry_url": "registry.example:5000", "settings": {"realm": "a=b"}}


@pytest.mark.parametrize(("kind", "code"), KINDS.items())
def test_the_exit_code_says_whether_something_is_in_the_way(
    stub: StubService, regcred: Regcred, kind: str, code: int
) -> None:
    stub.verdict = kind

    asked = [regcred("doctor", "registry", "r.example", "-o", o) for o in ("table", "json", "name")]

    assert [done.code for done in asked] == [code] * 3
    assert ("see the service's documents" in asked[0].out) == (kind == "not known yet")
    assert json.loads(asked[1].out)["verdict"] == kind
    assert asked[2].out == f"{kind}\n"


def test_the_help_shows_how_it_is_called(regcred: Regcred) -> None:
    told = " ".join(regcred("doctor", "--help").out.split())

    assert "Usage: regcred doctor [OPTIONS] [IMAGE] | COMMAND" in told
    assert " machine " not in told.partition("Commands")[2]
    assert "registry" in told.partition("Commands")[2]


def test_a_bad_address_is_a_usage_error(stub: StubService, regcred: Regcred) -> None:
    refused = problem("invalid-input", 422, "registry_url: must name one registry, without a *")
    stub.plant("POST", "/v1/projects/-/registries:probe", refused)

    done = regcred("doctor", "registry", "*.example")

    assert (done.code, done.out) == (2, "")
    assert "without a *" in done.err


def test_a_setting_is_a_pair(stub: StubService, regcred: Regcred) -> None:
    assert regcred("doctor", "registry", "r.example", "--setting", "realm").code == 2
    assert stub.seen == []
