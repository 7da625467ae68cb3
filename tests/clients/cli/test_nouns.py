"""project, key, provider and audit; and how problems and odd texts are told."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import NEW_KEY, Reply, StubService, problem

# project


def test_projects_are_listed_and_shown(stub: StubService, regcred: Regcred) -> None:
    assert regcred("project", "ls", "-o", "name").out == "1\n2\n"
    assert "other" in regcred("project", "show", "2").out
    assert "default" in regcred("project", "show").out
    assert stub.last.path == "/v1/projects/-"


def test_a_project_is_made_and_deleted(stub: StubService, regcred: Regcred) -> None:
    made = regcred("project", "create", "third", "-o", "json")
    gone = regcred("project", "rm", "3", "--yes")

    assert json.loads(made.out)["number"] == 3
    assert gone.err == "Deleted project 3 (third).\n"
    assert stub.last.headers["if-match"] == '"1"'
    assert len(stub.projects) == 2


def test_a_project_is_not_deleted_without_a_yes(stub: StubService, regcred: Regcred) -> None:
    assert regcred("project", "rm", "2").code == 2
    assert len(stub.projects) == 2


def test_an_unknown_project_is_not_found(regcred: Regcred) -> None:
    assert regcred("project", "show", "9").code == 3


# key


def test_a_new_key_is_all_of_stdout(stub: StubService, regcred: Regcred) -> None:
    done = regcred(
        *("key", "create", "ci", "--role", "admin", "--image", "a.example/x/", "--operator"),
        *("--expires-at", "2027-01-01T00:00:00Z"),
    )

    assert done.out == f"{NEW_KEY}\n"
    assert NEW_KEY not in done.err
    assert "shown this once" in done.err
    assert stub.last.json == {
        "name": "ci",
        "role": "admin",
        "image_patterns": ["a.example/x/"],
        "expires_at": "2027-01-01T00:00:00Z",
        "operator": True,
    }


def test_a_new_key_pulls_unless_told_otherwise(stub: StubService, regcred: Regcred) -> None:
    made = json.loads(regcred("key", "create", "ci", "-o", "json").out)

    assert made["key"] == NEW_KEY
    assert stub.last.json == {"name": "ci", "role": "puller"}


@pytest.mark.parametrize("key", ["own", "operator"])
def test_a_key_is_found_by_id_and_by_name(regcred: Regcred, key: str) -> None:
    done = regcred("key", "show", key, "-o", "name")

    assert (done.code, done.out) == (0, "own\n")


def test_a_name_that_two_keys_have_finds_none(stub: StubService, regcred: Regcred) -> None:
    stub.keys["other"] = {**stub.keys["own"], "id": "other"}

    assert regcred("key", "show", "operator").code == 3


def test_a_key_is_disabled_and_enabled(stub: StubService, regcred: Regcred) -> None:
    off = regcred("key", "disable", "operator")
    was = stub.keys["own"]["disabled"]
    on = regcred("key", "enable", "own")

    assert (off.err, was) == ("Key own (operator) is disabled.\n", True)
    assert (on.err, stub.keys["own"]["disabled"]) == ("Key own (operator) is enabled.\n", False)
    assert stub.last.headers["if-match"] == '"3"'


def test_a_key_is_revoked(stub: StubService, regcred: Regcred) -> None:
    assert regcred("key", "rm", "own").code == 2
    assert regcred("key", "rm", "own", "-y").err == "Revoked key own (operator).\n"
    assert stub.keys == {}


def test_keys_are_listed_without_their_secrets(regcred: Regcred) -> None:
    done = regcred("key", "ls")

    assert done.out.splitlines()[1].split()[:3] == ["own", "operator", "admin"]


# provider


def test_providers_are_listed_with_where_they_are(regcred: Regcred) -> None:
    rows = [line.split("  ") for line in regcred("provider", "ls").out.splitlines()]

    assert [[part.strip() for part in row if part] for row in rows] == [
        ["PROVIDER", "TITLE", "REGISTRIES", "SETTINGS"],
        ["ghcr", "The ghcr registry", "ghcr.io", "-"],
        ["quay", "The quay registry", "quay.io or any you name", "realm, ca_bundle"],
        ["cloud", "The cloud registry", "*.region-0.example and 3 more", "-"],
        ["generic", "The generic registry", "any you name", "-"],
    ]


def test_a_provider_is_shown_whole(regcred: Regcred) -> None:
    assert regcred("provider", "show", "ghcr").out == (
        "provider  ghcr\n"
        "title     The ghcr registry\n"
        "where     ghcr.io\n"
        "login     Type in what ghcr gives you.\n"
        "lifetime  Until it is deleted.\n"
        "settings  -\n"
        "link      https://docs.example/ghcr\n"
    )
    assert "*.region-3.example" in regcred("provider", "show", "cloud").out


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_all_that_is_known_of_a_provider(
    stub: StubService, regcred: Regcred, output: str
) -> None:
    listed = yaml.safe_load(regcred("provider", "ls", "-o", output).out)
    shown = yaml.safe_load(regcred("provider", "show", "quay", "-o", output).out)

    assert listed == stub.providers
    assert shown == stub.providers[1]


def test_a_providers_name_is_its_slug(regcred: Regcred) -> None:
    assert regcred("provider", "ls", "-o", "name").out == "ghcr\nquay\ncloud\ngeneric\n"
    assert regcred("provider", "show", "quay", "-o", "name").out == "quay\n"


def test_an_unknown_provider_is_not_found(regcred: Regcred) -> None:
    done = regcred("provider", "show", "nonsense")

    assert (done.code, done.out) == (3, "")
    assert done.err == "Error: no such provider\n`regcred provider ls` shows what there is.\n"


def test_a_provider_that_may_not_be_asked_for_is_not_called_unknown(
    stub: StubService, regcred: Regcred
) -> None:
    refused = problem("not-authenticated", 401, "this API key has expired")
    stub.plant("GET", "/v1/providers/ghcr", refused)

    assert regcred("provider", "show", "ghcr").code == 4


# audit


def test_audit_rows_are_listed(stub: StubService, regcred: Regcred) -> None:
    stub.rows = [
        {"number": number, "action": "credential.revealed", "details": {"image": "a", "n": [1, 2]}}
        for number in range(5)
    ]

    done = regcred("audit", "ls", "--action", "credential.revealed", "--limit", "3")

    assert len(done.out.splitlines()) == 4
    assert "image=a, n=1, 2" in done.out
    assert stub.seen[0].query["action"] == "credential.revealed"


def test_audit_rows_are_found_by_a_logins_or_a_keys_name(
    stub: StubService, regcred: Regcred
) -> None:
    made = stub.add("one")

    assert regcred("audit", "ls", "--credential", "one").code == 0
    assert stub.seen[-1].query["target"] == made["id"]
    assert regcred("audit", "ls", "--key", "operator").code == 0
    assert stub.seen[-1].query["principal"] == "key:own"


def test_audit_rows_of_a_key_that_is_gone_are_found_by_its_id(
    stub: StubService, regcred: Regcred
) -> None:
    gone = regcred("audit", "ls", "--key", "3kTMd9bQzA0f")

    assert (gone.code, stub.seen[-1].query["principal"]) == (0, "key:3kTMd9bQzA0f")
    assert "if it is a deleted key's id" in gone.err
    unknown = regcred("audit", "ls", "--key", "no-such-key")
    assert unknown.code == 3
    assert "A deleted key's id stands in `regcred audit ls --action key.created`" in unknown.err


def test_audit_rows_of_the_service_itself_are_listed(stub: StubService, regcred: Regcred) -> None:
    stub.plant(
        "GET",
        "/v1/projects/00000000-0000-0000-0000-000000000000/audit",
        Reply(200, {"items": [{"number": 9, "action": "audit.pruned"}]}),
    )

    done = regcred("audit", "ls", "--service")

    assert "audit.pruned" in done.out
    assert "--service is of no project" in regcred("audit", "ls", "--service", "-p", "1").err


@pytest.mark.parametrize(
    "twice", [("--credential", "one", "--target", "x"), ("--key", "one", "--principal", "x")]
)
def test_an_audit_filter_is_given_once(
    stub: StubService, regcred: Regcred, twice: tuple[str, ...]
) -> None:
    done = regcred("audit", "ls", *twice)

    assert done.code == 2
    assert "give one of them" in done.err
    assert not stub.seen


# Problems


@pytest.mark.parametrize(
    ("slug", "status", "code"),
    [
        ("not-authenticated", 401, 4),
        ("access-denied", 403, 4),
        ("project-not-found", 404, 3),
        ("not-found", 404, 3),
        ("name-taken", 409, 5),
        ("version-mismatch", 412, 5),
        ("version-required", 428, 5),
        ("project-not-empty", 409, 5),
        ("credential-rejected", 422, 6),
        ("invalid-input", 422, 2),
        ("something-new", 422, 2),
        ("quota-exceeded", 429, 1),
        ("internal", 500, 1),
        ("store-unavailable", 503, 7),
        ("something-else", 503, 7),
        ("teapot", 418, 1),
    ],
)
def test_each_problem_has_its_code(
    stub: StubService, regcred: Regcred, slug: str, status: int, code: int
) -> None:
    stub.plant("GET", "/v1/whoami", problem(slug, status, "what happened"))

    done = regcred("whoami")

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("Error: what happened\n")
    assert ("Request request-1" in done.err) == (code in {1, 7})


def test_every_broken_rule_is_listed(stub: StubService, regcred: Regcred) -> None:
    errors = [{"field": "name", "rule": "too long"}, {"field": "role", "rule": "unknown"}]
    refused = problem("invalid-input", 422, "the input is not valid", errors=errors)
    stub.plant("GET", "/v1/whoami", refused)

    assert regcred("whoami").err == (
        "Error: the input is not valid\n  name: too long\n  role: unknown\n"
    )


def test_a_rejected_login_says_the_next_step(stub: StubService, regcred: Regcred) -> None:
    rejected = problem(
        "credential-rejected", 422, "not stored", verdict={"next_step": "Get a new token."}
    )
    stub.plant("GET", "/v1/whoami", rejected)

    assert "Get a new token.\nNothing was stored.\n" in regcred("whoami").err


# What a terminal would obey

OBEYED = ["\x1b[2J", "\x9b2J", "\x07", "\r", "\u202e", "\u200b", "\ue000", "\u2028", "\U000e0041"]


@pytest.mark.parametrize("obeyed", OBEYED)
@pytest.mark.parametrize("output", ["table", "json", "yaml", "name"])
def test_texts_of_the_service_cannot_drive_the_terminal(
    stub: StubService, regcred: Regcred, obeyed: str, output: str
) -> None:
    stub.add("one", name=f"na{obeyed}me", labels={f"k{obeyed}": f"v{obeyed}"})

    listed = regcred("credential", "ls", "-o", output)
    shown = regcred("credential", "show", "one", "-o", output)

    assert "na" in listed.out
    assert obeyed not in listed.out + shown.out


@pytest.mark.parametrize("obeyed", OBEYED)
def test_problems_cannot_drive_the_terminal_either(
    stub: StubService, regcred: Regcred, obeyed: str
) -> None:
    errors = [{"field": obeyed, "rule": obeyed}]
    stub.plant("GET", "/v1/whoami", problem("x", 400, f"a{obeyed}b", errors=errors))

    done = regcred("whoami")

    assert obeyed not in done.out + done.err
