"""login, logout, whoami, and the frame that all commands share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import regcred as package
from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import KEY, Reply, StubService


@pytest.fixture
def settings(home: Path) -> Path:
    return home / "config" / "regcred" / "client.conf"


@pytest.fixture
def url(env: dict[str, str]) -> str:
    """The service's URL, which no variable says."""
    del env["REGCRED_KEY"]
    return env.pop("REGCRED_URL")


def test_login_keeps_a_key_that_the_service_knows(
    url: str, regcred: Regcred, settings: Path
) -> None:
    done = regcred("login", "--url", url + "/", "--key-stdin", stdin=f"{KEY}\n")

    assert (done.code, done.out) == (0, "")
    assert done.err == f"Logged in to {url} as operator (admin); the key is in {settings}\n"
    assert settings.read_text() == f"url = {url}\nkey = {KEY}\n"
    assert settings.stat().st_mode & 0o777 == 0o600
    assert regcred("whoami").code == 0


def test_login_keeps_a_project_that_is_there(
    url: str, stub: StubService, regcred: Regcred, settings: Path
) -> None:
    login = ("login", "--url", url, "--key-stdin", "--project")

    assert regcred(*login, "9", stdin=KEY).code == 3
    assert not settings.exists()
    assert regcred(*login, "2", stdin=KEY).code == 0
    assert "project = 2\n" in settings.read_text()
    assert stub.last.path == "/v1/projects/2"


def test_login_writes_nothing_for_a_refused_key(url: str, regcred: Regcred, settings: Path) -> None:
    done = regcred("login", "--url", url, "--key-stdin", stdin="rgc_revoked")

    assert done.code == 4
    assert "this API key is unknown or was revoked" in done.err
    assert "Run `regcred login`" in done.err
    assert "rgc_revoked" not in done.out + done.err
    assert not settings.exists()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "the key on standard input is empty"),
        ("\n", "the key on standard input is empty"),
        (" \n", "no key is set"),
        ("two words", "that is not a regcred key"),
        ("k" * 20_000, "longer than 16384 bytes"),
    ],
)
def test_login_refuses_what_is_no_key(
    url: str, stub: StubService, regcred: Regcred, key: str, words: str
) -> None:
    done = regcred("login", "--url", url, "--key-stdin", stdin=key)

    assert done.code == 2
    assert words in done.err
    assert stub.seen == []


def test_login_without_a_terminal_says_how(url: str, regcred: Regcred) -> None:
    done = regcred("login", "--url", url)

    assert done.code == 2
    assert done.err == "Error: no key: give it on standard input with --key-stdin\n"


def test_login_needs_a_url(url: str, regcred: Regcred) -> None:
    assert url
    assert regcred("login", "--key-stdin", stdin=KEY).code == 2


def test_login_refuses_http_to_another_machine(regcred: Regcred) -> None:
    done = regcred("login", "--url", "http://regcred.example", "--key-stdin", stdin=KEY)

    assert done.code == 2
    assert "in the clear" in done.err


def test_login_that_cannot_write_says_so(url: str, regcred: Regcred, settings: Path) -> None:
    settings.parent.parent.touch()

    done = regcred("login", "--url", url, "--key-stdin", stdin=KEY)

    assert done.code == 1
    assert f"{settings} was not written" in done.err


def test_logout_forgets_the_key(url: str, regcred: Regcred, settings: Path) -> None:
    regcred("login", "--url", url, "--key-stdin", stdin=KEY)

    first, second = regcred("logout"), regcred("logout")

    assert not settings.exists()
    assert (first.code, second.code) == (0, 0)
    assert "`regcred key rm` revokes a key" in first.err
    assert second.err == "There was no login.\n"


def test_logout_that_cannot_delete_says_so(regcred: Regcred, settings: Path) -> None:
    settings.mkdir(parents=True)

    assert regcred("logout").code == 1


def test_whoami_shows_key_and_role(regcred: Regcred) -> None:
    table, as_json = regcred("whoami"), regcred("whoami", "-o", "json")

    assert "key: name" in table.out
    assert json.loads(as_json.out)["role"] == "admin"
    assert regcred("whoami", "-o", "name").out == "key:own\n"
    assert KEY not in table.out + as_json.out


def test_without_a_login_a_command_says_what_to_do(url: str, regcred: Regcred) -> None:
    done = regcred("whoami")

    assert url
    assert done.code == 4
    assert "run `regcred login --url URL`" in done.err


def test_a_service_that_is_down_has_its_own_code(regcred: Regcred) -> None:
    done = regcred("login", "--url", "http://127.0.0.1:1", "--key-stdin", stdin=KEY)

    assert done.code == 7
    assert "regcred at 127.0.0.1:1 cannot be reached" in done.err
    assert "http://127.0.0.1:1 is its URL" in done.err


def test_another_server_has_that_code_too(stub: StubService, regcred: Regcred) -> None:
    stub.plant("GET", "/v1/whoami", Reply(200, b"<html>", "text/html"))

    done = regcred("whoami")

    assert done.code == 7
    assert "is not regcred" in done.err


@pytest.mark.parametrize("noun", ["credential", "key", "project", "audit", "docker"])
def test_each_noun_has_help(regcred: Regcred, noun: str) -> None:
    assert regcred(noun, "-h").code == 0
    assert "Usage" in regcred(noun, "--help").out


def test_version(regcred: Regcred) -> None:
    assert regcred("--version").out == f"regcred {package.__version__}\n"


def test_completion_is_printed(regcred: Regcred) -> None:
    assert "--show-completion" in regcred("-h").out


def test_a_wrong_option_is_a_usage_error_on_stderr(regcred: Regcred) -> None:
    done = regcred("credential", "ls", "--nonsense")

    assert (done.code, done.out) == (2, "")
    assert "--nonsense" in done.err


@pytest.mark.parametrize("option", ["--password", "--secret", "--key"])
def test_no_option_takes_a_secret(regcred: Regcred, option: str) -> None:
    for command in (("credential", "add"), ("credential", "replace"), ("login",)):
        assert regcred(*command, "x", option, "hush").code == 2
