"""regcred credential."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import Reply, StubService, problem, verdict

SECRET = "canary-3f9c-of-the-registry"
PATH = "/v1/projects/-/credentials"
ADD = ("credential", "add", "one", "--registry", "registry.example", "--username", "me")


def test_add_stores_what_was_given_and_has_it_judged(stub: StubService, regcred: Regcred) -> None:
    done = regcred(
        *ADD,
        "--password-stdin",
        *("--provider", "docker_hub", "--setting", "realm=https://a.example/x?y=z"),
        *("--setting", "region=eu", "--label", "team=web", "--description", "for CI"),
        *("--expires-at", "2027-01-31T01:00:00+01:00", "--image", "registry.example/team/app:1"),
        stdin=f"{SECRET}\n",
    )

    created, judged = stub.seen
    assert created.json == {
        "name": "one",
        "registry_url": "registry.example",
        "username": "me",
        "password": SECRET,
        "provider": "docker_hub",
        "settings": {"realm": "https://a.example/x?y=z", "region": "eu"},
        "labels": {"team": "web"},
        "description": "for CI",
        "expires_at": "2027-01-31T00:00:00Z",
    }
    assert judged.json == {"image": "registry.example/team/app:1"}
    assert done.code == 0
    assert done.err == "Stored one.\n"
    assert "the registry accepts this login" in done.out


def test_add_sends_nothing_that_was_not_given(stub: StubService, regcred: Regcred) -> None:
    regcred("credential", "add", "one", "-u", "me", "--password-stdin", stdin=SECRET)

    assert set(stub.seen[0].json) == {"name", "username", "password"}


@pytest.mark.parametrize(
    "secret", ["with space ", "\ttab", "ünïcode", "two\nlines", "'\"$`\\", "x" * 16_384]
)
def test_a_secret_arrives_as_it_was_piped(stub: StubService, regcred: Regcred, secret: str) -> None:
    for end in ("", "\n", "\r\n"):
        regcred(*ADD, "--password-stdin", "--no-verify", stdin=(secret + end).encode())
        assert stub.last.json["password"] == secret


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"x" * 16_385, "is longer than 16384 bytes"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_secret_that_cannot_be_one_is_not_sent(
    stub: StubService, regcred: Regcred, given: bytes, words: str
) -> None:
    done = regcred(*ADD, "--password-stdin", stdin=given)

    assert done.code == 2
    assert done.err == f"Error: the password on standard input {words}\n".replace(
        "password on standard input is longer", "password is longer"
    ).replace("password on standard input is not", "password is not")
    assert stub.seen == []


@pytest.mark.parametrize("more", [(), ("--no-input",)])
def test_without_a_terminal_there_is_no_prompt(
    stub: StubService, regcred: Regcred, more: tuple[str, ...]
) -> None:
    done = regcred(*ADD, *more)

    assert done.code == 2
    assert "--password-stdin" in done.err
    assert stub.seen == []


@pytest.mark.parametrize("option", ["--setting", "--label"])
def test_a_pair_without_an_equals_sign_is_not_said_back(regcred: Regcred, option: str) -> None:
    for text in (SECRET, "=x"):
        done = regcred(*ADD, option, text, "--password-stdin", stdin="x")
        assert (done.code, done.err) == (2, f"{option} is written NAME=VALUE\n")


def test_a_time_that_is_none_is_a_usage_error(regcred: Regcred) -> None:
    done = regcred(*ADD, "--expires-at", "soon", "--password-stdin", stdin="x")

    assert (done.code, done.err) == (2, "--expires-at is a time such as 2027-01-31T00:00:00Z\n")


def test_a_time_without_a_zone_is_utc(stub: StubService, regcred: Regcred) -> None:
    regcred(*ADD, "--expires-at", "2027-01-31", "--password-stdin", "--no-verify", stdin="x")

    assert stub.last.json["expires_at"] == "2027-01-31T00:00:00Z"


@pytest.mark.parametrize(
    "kind",
    ["rejected", "denied", "missing", "public", "expired", "rate_limited", "unreachable", "new"],
)
def test_a_login_that_is_not_ok_is_stored_and_said_so(
    stub: StubService, regcred: Regcred, kind: str
) -> None:
    stub.verdict = kind

    done = regcred(*ADD, "--password-stdin", stdin=SECRET)

    assert done.code == 6
    assert "one" in stub.credentials
    assert f"verdict           {kind}\n" in done.out
    assert "evidence: status  401\n" in done.out
    assert f"next step         Do what one does about {kind}.\n" in done.out


def test_add_prints_the_credential_to_a_program(stub: StubService, regcred: Regcred) -> None:
    as_json = regcred(*ADD, "--password-stdin", "-o", "json", stdin=SECRET)
    stub.credentials.clear()
    as_yaml = regcred(*ADD, "--password-stdin", "-o", "yaml", stdin=SECRET)
    stub.credentials.clear()
    name = regcred(*ADD, "--password-stdin", "-o", "name", stdin=SECRET)

    for data in (json.loads(as_json.out), yaml.safe_load(as_yaml.out)):
        assert data["name"] == "one"
        assert data["verdict"]["verdict"] == "ok"
        assert data["verification"] == verdict("ok")
    assert name.out == "one\n"


def test_add_without_a_check_asks_no_registry(stub: StubService, regcred: Regcred) -> None:
    done = regcred(*ADD, "--password-stdin", "--no-verify", stdin=SECRET)

    assert [seen.path for seen in stub.seen] == [PATH]
    assert "registry.example" in done.out


def test_a_taken_name_is_a_conflict(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")

    done = regcred(*ADD, "--password-stdin", stdin=SECRET)

    assert done.code == 5
    assert done.err == (
        "Error: another credential has this name\n"
        "Choose another name, or change or delete the one that has it.\n"
    )


def test_replace_changes_what_was_given_and_nothing_else(
    stub: StubService, regcred: Regcred
) -> None:
    before = stub.add("one")

    done = regcred("credential", "replace", "one", "--password-stdin", stdin=SECRET)

    read, changed, judged = stub.seen
    assert changed.method == "PATCH"
    assert changed.json == {"password": SECRET}
    assert changed.headers["if-match"] == '"7"'
    assert before["id"] in changed.path
    assert judged.path.endswith(":verify")
    assert (read.method, done.code, done.err) == ("GET", 0, "Replaced one.\n")


def test_ls_prints_columns(stub: StubService, regcred: Regcred) -> None:
    stub.add("one", verdict={"verdict": "rejected", "checked_at": "x"}, withheld=True)
    stub.add("zwölf", labels={"a": "b"}, verdict={"verdict": "ok", "checked_at": "x"})
    stub.add("three")

    done = regcred("credential", "ls")

    lines = done.out.splitlines()
    assert lines[0].split() == [
        *("NAME", "REGISTRY", "USERNAME", "PROVIDER", "VERDICT", "EXPIRES", "LAST", "USED")
    ]
    assert "rejected (withheld)" in lines[1]
    assert lines[2].split()[:2] == ["zwölf", "registry.example"]
    assert lines[3].split()[4] == "-"
    assert len({line.index("generic") for line in lines[1:]}) == 1
    assert "\x1b" not in done.out


def test_ls_of_nothing_prints_nothing_to_read(regcred: Regcred) -> None:
    assert regcred("credential", "ls") == (0, "", "")
    assert json.loads(regcred("credential", "ls", "-o", "json").out) == []


def test_ls_hands_its_filters_on(stub: StubService, regcred: Regcred) -> None:
    regcred(
        *("credential", "ls", "-r", "ghcr.io", "-u", "me", "--provider", "ghcr"),
        *("--label", "team=web", "--verdict", "rejected"),
        *("--expiring-before", "2027-01-01T00:00:00Z", "--unused-since", "2026-01-01"),
    )

    assert stub.last.query == {
        "registry": "ghcr.io",
        "username": "me",
        "provider": "ghcr",
        "label": "team=web",
        "verdict": "rejected",
        "expiring_before": "2027-01-01T00:00:00Z",
        "unused_since": "2026-01-01T00:00:00Z",
        "limit": "200",
    }


@pytest.mark.parametrize("output", ["table", "json", "yaml", "name"])
def test_all_outputs_tell_the_same_names(stub: StubService, regcred: Regcred, output: str) -> None:
    stub.add("one")
    stub.add("two")
    stub.add("three")

    done = regcred("credential", "ls", "-o", output)

    assert all(name in done.out for name in ("one", "two", "three"))


def test_show_prints_every_field(stub: StubService, regcred: Regcred) -> None:
    stub.add("one", labels={"team": "web"}, scopes=["a.example", "b.example"])

    done = regcred("credential", "show", "one")

    assert "labels: team  web\n" in done.out
    assert "a.example, b.example\n" in done.out
    assert "withheld      no\n" in done.out


def test_what_is_not_there_is_not_found(regcred: Regcred) -> None:
    done = regcred("credential", "show", "one")

    assert done.code == 3
    assert done.err == ("Error: no such credential\n`regcred credential ls` shows what there is.\n")


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_name_that_can_be_none_is_a_usage_error(
    stub: StubService, regcred: Regcred, name: str
) -> None:
    assert regcred("credential", "rm", name, "--yes").code == 2
    assert stub.seen == []


def test_verify_asks_about_an_image(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")
    stub.verdict = "denied"

    done = regcred("credential", "verify", "one", "--image", "registry.example/app:1")

    assert done.code == 6
    assert "may not pull this repository" in done.out
    assert "registry.example/app:1" in done.out
    assert json.loads(regcred("credential", "verify", "one", "-o", "json").out)["image"] is None
    assert regcred("credential", "verify", "one", "-o", "name").out == "denied\n"


def test_a_verdict_without_evidence_is_told_too(stub: StubService, regcred: Regcred) -> None:
    bare = {**verdict("ok"), "evidence": {}}
    stub.add("one")
    stub.plant("POST", f"{PATH}/one:verify", Reply(200, bare))

    assert "evidence" not in regcred("credential", "verify", "one").out


def test_history_is_cut_to_its_limit(stub: StubService, regcred: Regcred) -> None:
    assert len(regcred("credential", "history", "one").out.splitlines()) == 4
    assert regcred("credential", "history", "one", "--limit", "2", "-o", "name").out == (
        "ok\nrejected\n"
    )
    assert "cursor" not in stub.last.query


def test_rm_deletes_the_version_that_it_saw(stub: StubService, regcred: Regcred) -> None:
    found = stub.add("one")

    done = regcred("credential", "rm", "one", "--yes", "--force")

    assert (done.code, done.err) == (0, "Deleted one.\n")
    assert stub.last.method == "DELETE"
    assert stub.last.path == f"{PATH}/{found['id']}"
    assert stub.last.query == {"force": "true"}
    assert stub.last.headers["if-match"] == '"7"'


def test_rm_needs_a_yes(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")

    done = regcred("credential", "rm", "one")

    assert done.code == 2
    assert "--yes" in done.err
    assert "one" in stub.credentials


def test_rm_of_a_used_one_names_its_users(stub: StubService, regcred: Regcred) -> None:
    found = stub.add("one")
    uses = [{"kind": "deployment", "name": "web", "expires_at": None}]
    refused = problem("credential-in-use", 409, "in use by 1", uses=uses)
    stub.plant("DELETE", f"{PATH}/{found['id']}", refused)

    done = regcred("credential", "rm", "one", "--yes")

    assert done.code == 5
    assert "used by deployment web" in done.err
    assert "--force" in done.err


def test_another_project_can_be_named(stub: StubService, regcred: Regcred) -> None:
    regcred("credential", "ls", "--project", "2")

    assert stub.last.path == "/v1/projects/2/credentials"


def test_no_secret_is_ever_printed(stub: StubService, regcred: Regcred) -> None:
    said = []
    for output in ("table", "json", "yaml", "name"):
        for kind in ("ok", "rejected"):
            stub.verdict = kind
            said += [
                regcred(*ADD, "--password-stdin", "-o", output, stdin=SECRET),
                regcred(*ADD, "--password-stdin", "-o", output, stdin=SECRET),
                regcred(
                    *("credential", "replace", "one", "--password-stdin", "-o", output),
                    stdin=SECRET,
                ),
                regcred("credential", "show", "one", "-o", output),
                regcred("credential", "ls", "-o", output),
                regcred("credential", "verify", "one", "-o", output),
            ]
    stub.plant("POST", PATH, problem("internal", 500, "internal error"))
    said.append(regcred(*ADD, "--password-stdin", stdin=SECRET))

    assert any(SECRET.encode() in seen.body for seen in stub.seen)
    assert not [done for done in said if SECRET in done.out + done.err]
