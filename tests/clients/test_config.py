"""The settings file, written by `regcred login`, read by the command and by the helper."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.config import (
    ClientConfig,
    ConfigRefused,
    config_path,
    forget,
    load,
    save,
)
from regcred.clients.node.settings import read_settings
from tests.clients.helper_runs import run_program
from tests.clients.stub_service import KEY, REVEALED, StubService, login

FULL = ClientConfig("https://regcred.example/base", KEY, "7", "/etc/ca.pem", insecure_http=True)


@pytest.fixture
def bare(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "PATH": "/usr/bin"}


@pytest.mark.parametrize("config", [FULL, ClientConfig("http://127.0.0.1:8080", KEY)])
def test_what_is_written_is_what_is_read(config: ClientConfig, bare: dict[str, str]) -> None:
    save(config_path(bare), config)

    assert load(bare) == config


def test_the_command_and_the_helper_read_the_same(stub: StubService, bare: dict[str, str]) -> None:
    stub.logins = [login("one")]
    save(config_path(bare), ClientConfig(stub.url, KEY, "2"))

    said = run_program("get", b"registry.example", bare)

    assert REVEALED in said.out
    assert stub.last.path.startswith("/v1/projects/2/")
    assert stub.last.headers["authorization"] == f"Bearer {load(bare).key}"


printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)


@given(key=printable, project=printable, ca_file=printable)
def test_any_printable_setting_survives(
    tmp_path_factory: pytest.TempPathFactory, key: str, project: str, ca_file: str
) -> None:
    path = tmp_path_factory.mktemp("config") / "client.conf"
    config = ClientConfig("https://regcred.example", key, project, ca_file)

    save(path, config)

    assert read_settings(str(path)) == config.settings()


def test_only_its_owner_can_read_it(bare: dict[str, str]) -> None:
    path = config_path(bare)
    before = os.umask(0)
    try:
        save(path, FULL)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["client.conf"]


def test_an_open_file_is_made_private_by_the_next_login(bare: dict[str, str]) -> None:
    path = config_path(bare)
    path.parent.mkdir(parents=True)
    path.write_text("key = rgc_old\n")
    path.chmod(0o644)

    save(path, FULL)

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_policy_written_by_hand_outlives_a_login(bare: dict[str, str]) -> None:
    path = config_path(bare)
    save(path, FULL)
    with path.open("a") as file:
        file.write("on_error = anonymous\n")

    save(path, FULL)

    assert "on_error = anonymous\n" in path.read_text()


def test_a_failed_write_leaves_the_old_file_and_no_other(bare: dict[str, str]) -> None:
    path = config_path(bare)
    path.mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        save(path, FULL)
    assert [one.name for one in path.parent.iterdir()] == ["client.conf"]


@pytest.mark.parametrize("value", ["a\nkey = rgc_evil", "\x00", " a", "a\u2028"])
def test_a_setting_cannot_become_another_line(bare: dict[str, str], value: str) -> None:
    with pytest.raises(ConfigRefused, match="a line cannot keep"):
        save(config_path(bare), ClientConfig("https://a.example", KEY, ca_file=value))
    assert not config_path(bare).exists()


def test_a_url_or_a_key_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ConfigRefused, match="in the clear"):
        ClientConfig("http://regcred.example", KEY)
    with pytest.raises(ConfigRefused, match="no key is set"):
        ClientConfig("https://regcred.example", "")


def test_the_key_is_not_in_a_repr() -> None:
    assert KEY not in repr(FULL)


def test_forgetting_says_whether_there_was_something(bare: dict[str, str]) -> None:
    save(config_path(bare), FULL)

    assert [forget(config_path(bare)), forget(config_path(bare))] == [True, False]
