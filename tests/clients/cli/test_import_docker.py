"""regcred import docker-config, against the stub service."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regcred.clients.cli import import_run
from regcred.clients.importing.storing import store
from tests.clients.cli.conftest import Ran, Regcred
from tests.clients.stub_service import REVEALED, StubService, login, problem, verdict

SECRET = "canary-of-an-import"
CREDENTIALS = "/v1/projects/-/credentials"

Import = Callable[..., Ran]


def auth(username: str = "bot", password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(content: object, name: str = "config.json") -> Path:
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)
        return path

    return write


def auths(**entries: object) -> dict[str, Any]:
    return {"auths": {key.replace("__", "."): entry for key, entry in entries.items()}}


@pytest.fixture
def bring(regcred: Regcred) -> Import:
    def run(*arguments: object) -> Ran:
        return regcred("import", "docker-config", *map(str, arguments))

    return run


def created(stub: StubService) -> list[dict[str, Any]]:
    return [s.json for s in stub.seen if (s.method, s.path) == ("POST", CREDENTIALS)]


def rows(done: Ran) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(done.out)
    return listed


def test_a_plan_comes_first_and_stores_nothing(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    done = bring(config(auths(ghcr__io=auth())))

    assert done.code == 0
    assert created(stub) == []
    assert "create" in done.out
    assert "ghcr-io-bot" in done.out
    assert done.err == "1 create\nNothing was stored: --apply stores it.\n"
    assert SECRET not in done.out + done.err


def test_apply_stores_and_a_second_run_changes_nothing(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    file = config(
        {
            "auths": {
                "https://index.docker.io/v1/": auth("hub"),
                "docker.io": auth("hub"),
                "ghcr.io/team": auth("bot", "pass:with:colons"),
                "quay.io": {"username": "plain", "password": SECRET},
                "gitlab.example": {**auth("who", ""), "identitytoken": SECRET},
            }
        }
    )
    first = bring(file, "--apply", "--label", "from=laptop", "--prefix", "ci-", "-o", "json")
    stored = created(stub)
    second = bring(file, "--apply", "-o", "json")

    assert first.code == second.code == 0
    assert [row["result"] for row in rows(first)] == ["created"] * 4
    assert stored == [
        {
            "name": name,
            "registry_url": registry,
            "username": username,
            "password": password,
            "labels": {"from": "laptop"},
        }
        for name, registry, username, password in (
            ("ci-docker-io-hub", "docker.io", "hub", SECRET),
            ("ci-ghcr-io-team-bot", "ghcr.io/team", "bot", "pass:with:colons"),
            ("ci-quay-io-plain", "quay.io", "plain", SECRET),
            ("ci-gitlab-example-token", "gitlab.example", "<token>", SECRET),
        )
    ]
    assert {row["action"] for row in rows(second)} == {"same"}
    assert len(created(stub)) == 4
    assert SECRET not in first.out + first.err + second.out + second.err


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"auth": "%%%" + SECRET}, "no base64"),
        ({"auth": base64.b64encode(SECRET.encode()).decode()}, "USER:PASSWORD"),
        ({"auth": base64.b64encode(b"\xff:\xff").decode()}, "no base64 of UTF-8"),
        ({"auth": 7}, "no text"),
        ([SECRET], "no object"),
        ({"username": "u"}, "no password"),
        ({"password": SECRET}, "no user name"),
        ({"registrytoken": SECRET}, "registry token"),
        (auth("a", "b\0c"), "NUL"),
    ],
)
def test_a_malformed_entry_is_named_and_the_rest_goes_on(
    stub: StubService, bring: Import, config: Callable[..., Path], entry: object, why: str
) -> None:
    done = bring(config(auths(bad__example=entry, good__example=auth())), "--apply")

    assert done.code == 1
    assert [one["registry_url"] for one in created(stub)] == ["good.example"]
    assert why in done.out
    assert "bad.example" in done.out
    assert SECRET not in done.out + done.err


def test_entries_that_helpers_left_are_explained(
    bring: Import, config: Callable[..., Path]
) -> None:
    file = config({**auths(a__example={}, b__example={"auth": ""}), "credsStore": "pass"})
    without = config(auths(a__example={}), "other.json")

    done, other = bring(file), bring(without)

    assert done.code == other.code == 0
    assert done.out.count("--use-helpers asks it") == 2
    assert "what pulls here gets none" in other.out


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"auths": []}', '{"auths": {}, "credHelpers": 7}', "[" * 100_000, "\ufeff{"],
)
def test_a_broken_file_is_named_and_not_quoted(
    bring: Import, config: Callable[..., Path], content: str
) -> None:
    broken, good = config(content), config(auths(a__example=auth()), "good.json")

    done = bring(broken, good)

    assert done.code == 1
    assert str(broken) in done.out
    assert "create" in done.out
    assert broken.read_text() == content


def test_a_session_of_docker_is_no_password(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    hub = "https://index.docker.io/v1/"
    session = {f"{hub}{one}-token": auth("hub", f"{SECRET}-{one}") for one in ("access", "refresh")}

    done = bring(config({"auths": {hub: auth("hub"), **session}}), "--apply")

    assert done.code == 0
    assert [one["registry_url"] for one in created(stub)] == ["docker.io"]
    assert done.out.count("docker's own session: store an access token") == 2
    assert SECRET not in done.out + done.err


def test_keys_match_in_any_case_as_they_do_in_docker(
    bring: Import, config: Callable[..., Path]
) -> None:
    file = config(
        {
            "Auths": {"a.example": {"Auth": auth()["auth"]}, "b.example": {}},
            "credhelpers": {"c.example": "pass"},
            "CredsStore": "secretservice",
        }
    )

    found = {row["registry"]: row for row in rows(bring(file, "-o", "json"))}

    assert found["a.example"]["action"] == "create"
    assert found["b.example"]["why"].startswith("docker-credential-secretservice keeps it")
    assert found["c.example"]["why"].startswith("docker-credential-pass keeps it")


def test_text_after_the_object_is_passed_over_as_docker_does(
    bring: Import, config: Callable[..., Path]
) -> None:
    done = bring(config(f"\n {json.dumps(auths(a__example=auth()))} rest"))

    assert (done.code, "create" in done.out) == (0, True)


def test_files_that_cannot_be_read_are_named(bring: Import, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (16 * 1024 * 1024 + 1))
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    names = ("missing", "pipe", "large", "latin", "")

    done = bring(*(tmp_path / name for name in names))

    assert done.code == 1
    for why in ("No such file", "not a file", "too long", "not UTF-8"):
        assert why in done.out


def test_standard_input_without_end_is_not_read_on(regcred: Regcred) -> None:
    done = regcred("import", "docker-config", "-", stdin=b" " * (16 * 1024 * 1024 + 1))

    assert (done.code, "too long" in done.out) == (1, True)


def test_this_users_own_files_are_found(
    bring: Import, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    nothing = bring()
    for place, key in ((".docker/config.json", "a"), ("run/containers/auth.json", "b")):
        (home / place).parent.mkdir(parents=True)
        (home / place).write_text(json.dumps({"auths": {f"{key}.example": auth()}}))

    done = bring("-o", "json")

    assert nothing.code == 3
    assert [row["registry"] for row in rows(done)] == ["a.example", "b.example"]


def test_a_named_file_is_found_and_each_file_once(
    bring: Import, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".docker").mkdir()
    file = home / ".docker" / "config.json"
    file.write_text(json.dumps({"auths": {"a.example": auth()}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))

    (row,) = rows(bring("-o", "json"))

    assert [source["where"] for source in row["sources"]] == [str(file)]


def test_one_login_from_two_files_is_one_row(bring: Import, config: Callable[..., Path]) -> None:
    one = config(auths(docker__io=auth(), index__docker__io=auth()))
    two = config({"auths": {"https://index.docker.io/v1/": auth()}}, "auth.json")

    (row,) = rows(bring(one, two, "-o", "json"))

    assert [source["key"] for source in row["sources"]] == [
        "docker.io",
        "index.docker.io",
        "https://index.docker.io/v1/",
    ]


def test_two_passwords_for_one_login_are_not_guessed_at(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    one = config(auths(a__example=auth(password="one")))
    two = config(auths(a__example=auth(password="two")), "auth.json")

    done = bring(one, two, "--apply")

    assert done.code == 1
    assert "--verify takes what its registry accepts" in done.out
    assert created(stub) == []


def test_a_registry_that_refuses_keeps_a_login_out(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    refused = problem("credential-rejected", 422, "refused", verdict=verdict("rejected"))
    stub.plant("POST", CREDENTIALS, refused)

    done = bring(config(auths(a__example=auth())), "--apply", "--verify")

    assert done.code == 6
    assert stub.last.query == {"verify": "require"}
    assert "a-example-bot: refused: its registry's verdict is rejected." in done.err
    assert stub.credentials == {}


@pytest.mark.parametrize(("kind", "code"), [("ok", 0), ("rejected", 6)])
def test_a_plan_asks_registries_and_stores_nothing(
    stub: StubService, bring: Import, config: Callable[..., Path], kind: str, code: int
) -> None:
    stub.verdict = kind

    done = bring(config(auths(a__example=auth())), "--verify")

    assert done.code == code
    assert stub.last.path == f"{CREDENTIALS}:verify"
    assert stub.last.json["password"] == SECRET
    assert created(stub) == []


def test_names_are_unique_and_short(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    stub.add("ghcr-io-bot", registry_url="other.example", username="bot")
    long = f"{'sub.' * 40}example"

    found = rows(bring(config({"auths": {"ghcr.io": auth(), long: auth("b!t")}}), "-o", "json"))

    assert found[0]["name"] == "ghcr-io-bot-2"
    assert len(found[1]["name"]) <= 63


@pytest.mark.parametrize("prefix", ["a/b", "x" * 41, "a b", "a\n", "a:"])
def test_a_prefix_that_no_name_could_have_is_refused(
    bring: Import, config: Callable[..., Path], prefix: str
) -> None:
    assert bring(config(auths(a__example=auth())), "--prefix", prefix).code == 2


def test_update_replaces_the_password_of_what_is_stored(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    stub.add("mine", registry_url="a.example", username="bot")

    done = bring(config(auths(a__example=auth())), "--update", "--apply")

    assert done.code == 0
    assert (stub.last.method, stub.last.path) == (
        "PATCH",
        f"{CREDENTIALS}/{stub.credentials['mine']['id']}",
    )
    assert stub.last.json == {"password": SECRET}
    assert stub.last.headers["if-match"] == '"7"'


@pytest.mark.parametrize(
    ("password", "more", "action"),
    [
        (REVEALED, (), "same"),
        (REVEALED, ("--update",), "same"),
        (SECRET, (), "differs"),
        (SECRET, ("--update",), "update"),
    ],
)
def test_compare_reads_passwords_back(
    stub: StubService,
    bring: Import,
    config: Callable[..., Path],
    password: str,
    more: tuple[str, ...],
    action: str,
) -> None:
    made = stub.add("mine", registry_url="a.example", username="puller")
    stub.logins = [{**login("mine"), "credential": {"id": made["id"], "name": "mine"}}]

    done = bring(
        config(auths(a__example=auth("puller", password))), "--compare", *more, "-o", "json"
    )

    assert [row["action"] for row in rows(done)] == [action]
    assert password not in done.out + done.err


def test_what_a_pull_does_not_get_is_not_compared(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    stub.add("mine", registry_url="a.example", username="bot")

    (row,) = rows(bring(config(auths(a__example=auth())), "--compare", "-o", "json"))

    assert (row["action"], row["why"]) == ("same", "stored; the passwords were not compared")


def test_a_login_that_the_service_refuses_does_not_stop_the_rest(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    stub.plant("POST", CREDENTIALS, problem("invalid-input", 422, "username: is odd"))

    done = bring(config(auths(a__example=auth(), b__example=auth())), "--apply")

    assert done.code == 1
    assert done.err.count("failed: username: is odd") == 2


def test_a_key_that_may_not_write_stops_it(
    stub: StubService, bring: Import, config: Callable[..., Path]
) -> None:
    stub.plant("POST", CREDENTIALS, problem("access-denied", 403, "this key may not write"))

    done = bring(config(auths(a__example=auth(), b__example=auth())), "--apply")

    assert done.code == 4
    assert len(created(stub)) == 1
    assert "2 of 2 were not stored: the same command goes on with them." in done.err


def test_after_an_interruption_the_next_run_goes_on(
    stub: StubService, bring: Import, config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = config(auths(a__example=auth(), b__example=auth(), c__example=auth()))

    def interrupted(api: Any, row: Any, *more: Any, **named: Any) -> None:
        if row.registry == "b.example":
            raise KeyboardInterrupt
        store(api, row, *more, **named)

    with monkeypatch.context() as once:
        once.setattr(import_run, "store", interrupted)
        first = bring(file, "--apply")
    again = bring(file, "--apply", "--no-input")

    assert (first.code, again.code) == (1, 0)
    assert "2 of 3 were not stored" in first.err
    assert [one["registry_url"] for one in created(stub)] == ["a.example", "b.example", "c.example"]
    assert "1 same, 2 create" in again.err


def test_short_lived_tokens_of_clouds_are_not_stored(
    bring: Import, config: Callable[..., Path]
) -> None:
    file = config(
        {
            "auths": {
                "1.dkr.ecr.eu-west-1.amazonaws.com": auth("AWS"),
                "europe-docker.pkg.dev": auth("oauth2accesstoken"),
                "a.azurecr.io": auth("00000000-0000-0000-0000-000000000000"),
            }
        }
    )

    done = bring(file)

    assert done.code == 0
    assert done.out.count("store a") == 3
