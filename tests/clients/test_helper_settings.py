"""Where the helper gets its URL and its key, and what it refuses to use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.node.settings import read_settings, settings_path, target
from regcred.clients.node.words import Refused
from tests.clients.helper_runs import run_here, run_program
from tests.clients.stub_service import KEY, StubService, login

Env = dict[str, str]


@pytest.fixture
def bare(home: Path) -> Env:
    """An environment that says nothing of the service."""
    return {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "PATH": "/usr/bin"}


def keep(home: Path, text: str, mode: int = 0o600) -> Path:
    path = home / "config" / "regcred" / "client.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_file_that_login_wrote_is_enough(stub: StubService, home: Path, bare: Env) -> None:
    stub.logins = [login("one")]
    keep(home, f"# ours\nurl = {stub.url}/\nkey={KEY}\nproject = 2\n\nunknown = x\nno line\n")

    assert run_program("get", b"registry.example", bare).code == 0
    assert stub.last.path == "/v1/projects/2/docker-credential/get"


def test_a_base_path_comes_first(stub: StubService, env: Env) -> None:
    run_here("get", b"a", {**env, "REGCRED_URL": stub.url + "/base/path/"})

    assert stub.last.path == "/base/path/v1/projects/-/docker-credential/get"


def test_the_environment_wins(stub: StubService, home: Path, bare: Env) -> None:
    keep(home, f"url = {stub.url}\nkey = rgc_other\nproject = 2\n")

    run_here("get", b"a", {**bare, "REGCRED_KEY": f"{KEY}\n", "REGCRED_PROJECT": "3"})

    assert stub.last.headers["authorization"] == f"Bearer {KEY}"
    assert stub.last.path.startswith("/v1/projects/3/")


def test_a_kept_key_does_not_go_to_another_service(
    stub: StubService, home: Path, bare: Env
) -> None:
    keep(home, f"url = https://regcred.example\nkey = {KEY}\n")

    said = run_here("get", b"a", {**bare, "REGCRED_URL": stub.url})

    assert said.out == "no key is set: run `regcred login`, or set REGCRED_KEY_FILE"
    assert stub.seen == []


def test_the_key_can_be_in_a_file_of_its_own(stub: StubService, env: Env, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "key").chmod(0o400)

    run_here("get", b"a", {**env, "REGCRED_KEY": "", "REGCRED_KEY_FILE": str(tmp_path / "key")})

    assert stub.last.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_may_read_is_not_used(
    stub: StubService, env: Env, home: Path, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(mode)
    own_file = {**env, "REGCRED_KEY": "", "REGCRED_KEY_FILE": str(tmp_path / "key")}
    settings = keep(home, f"url = {stub.url}\nkey = {KEY}\n", mode)

    said = [run_here("get", b"a", own_file).out, run_here("get", b"a", env).out]

    assert said == [f"{settings} holds a key and others may read it: chmod 600 {settings}"] * 2
    settings.unlink()
    assert "chmod 600" in run_here("get", b"a", own_file).out
    assert stub.seen == []


def test_settings_without_a_key_may_be_read_by_all(
    stub: StubService, home: Path, bare: Env
) -> None:
    keep(home, f"url = {stub.url}\n", 0o644)

    run_here("get", b"a", {**bare, "REGCRED_KEY": KEY})

    assert stub.last.headers["authorization"] == f"Bearer {KEY}"


def test_a_key_file_must_be_a_small_text_file_that_is_there(env: Env, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe", 0o600)
    texts = {
        "none": f"there is no {tmp_path}/none: REGCRED_KEY_FILE names it",
        "long": f"{tmp_path}/long is too long",
        "binary": f"{tmp_path}/binary is not UTF-8 text",
        "pipe": f"{tmp_path}/pipe is not a file",
        "x/y": f"{tmp_path}/x/y cannot be read: Not a directory",
    }
    (tmp_path / "x").touch()
    for path in (tmp_path / "long", tmp_path / "binary"):
        path.chmod(0o600)

    for name, text in texts.items():
        asked = {**env, "REGCRED_KEY": "", "REGCRED_KEY_FILE": str(tmp_path / name)}
        assert run_here("get", b"a", asked).out == text


def test_without_settings_it_says_how_to_get_some(bare: Env, home: Path) -> None:
    nothing = run_here("get", b"a", bare)
    keep(home, "url = http://127.0.0.1:1\n")
    no_key = run_here("get", b"a", bare)

    assert nothing.out == "no service is set: run `regcred login --url URL`, or set REGCRED_URL"
    assert no_key.out == "no key is set: run `regcred login`, or set REGCRED_KEY_FILE"


@pytest.mark.parametrize("key", ["two words", "rgc\u00e9", "rgc\r\nX: y", "r" * 600])
def test_a_key_that_could_spoil_a_header_is_not_sent(stub: StubService, env: Env, key: str) -> None:
    said = run_here("get", b"a", {**env, "REGCRED_KEY": key})

    assert said.out == "the key that is set is no regcred key: run `regcred login`"
    assert stub.seen == []


@pytest.mark.parametrize("project", ["../1", "a b", "\u0661", "1?x", "1\r\n"])
def test_a_project_that_could_spoil_the_path_is_not_sent(
    stub: StubService, env: Env, project: str
) -> None:
    said = run_here("get", b"a", {**env, "REGCRED_PROJECT": project})

    assert "no project's number or id" in said.out
    assert stub.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "https://:443",
        "https://regcred.example?x=y",
        "https://regcred.example/#x",
        "https://regcred.example/a b",
        "https://regcred\r\n.example",
        "https://a..example",
        "https://" + "a" * 64 + ".example",
        "https://[::1",
        "https://[::1]x",
        "https://[nonsense]",
        "https://r\u00e9gcred.example",
    ],
)
def test_a_url_that_is_not_plain_is_refused_unsaid(env: Env, url: str) -> None:
    said = run_here("get", b"a", {**env, "REGCRED_URL": url})

    assert said.out == "the URL in REGCRED_URL is not like https://HOST[:PORT]"


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "\u0661", "80:80", "pass@host"])
def test_a_port_that_is_none_is_refused(env: Env, port: str) -> None:
    said = run_here("get", b"a", {**env, "REGCRED_URL": f"https://regcred.example:{port}"})

    assert said.out == "the URL in REGCRED_URL has no valid port"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://regcred.example", (True, "regcred.example", 443, "")),
        ("https://regcred.example:8443/base/", (True, "regcred.example", 8443, "/base")),
        ("http://127.0.0.1:8080", (False, "127.0.0.1", 8080, "")),
        ("http://127.8.9.1", (False, "127.8.9.1", 80, "")),
        ("http://localhost", (False, "localhost", 80, "")),
        ("http://[::1]:8080", (False, "::1", 8080, "")),
        ("https://[2001:db8::1]", (True, "2001:db8::1", 443, "")),
    ],
)
def test_urls_are_read(url: str, expected: tuple[bool, str, int, str]) -> None:
    assert target({"url": url}) == expected


@pytest.mark.parametrize(
    "host",
    [
        *("regcred.example", "127.0.0.1.example", "127.0.0.1.evil", "128.0.0.1", "127.1", "[::2]"),
        *("127.999.1.1", "127.0.0.256", "127.0.0.08", "127.00.0.1", "127.0.0.1.1", "127.0.0.1e"),
    ],
)
def test_http_to_another_machine_is_refused_unless_allowed(host: str) -> None:
    url = f"http://{host}"

    with pytest.raises(Refused, match="in the clear"):
        target({"url": url})
    assert target({"url": url, "insecure_http": "yes"})[0] is False


def test_the_home_is_found_without_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    for base in ({}, {"XDG_CONFIG_HOME": "relative"}):
        path = settings_path(base)
        assert path == f"{tmp_path}/.config/regcred/client.conf"


@given(st.text(max_size=200))
def test_no_settings_file_breaks_the_reader(text: str) -> None:
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(text.encode(errors="ignore"))
        file.flush()
        found = read_settings(file.name)

    assert set(found) <= {"url", "key", "project", "ca_file", "insecure_http", "on_error"}
    assert all(value == value.strip() for value in found.values())
