"""regcred docker install."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from regcred.clients.cli import docker, placed
from tests.clients.cli.conftest import Regcred
from tests.clients.helper_runs import HELPER, run_program

INSTALL = ("docker", "install", "--bin-dir")


def test_the_helper_is_placed_and_runs(
    regcred: Regcred, tmp_path: Path, env: dict[str, str]
) -> None:
    done = regcred(*INSTALL, str(tmp_path / "new" / "bin"))
    placed = tmp_path / "new" / "bin" / "docker-credential-regcred"

    assert (done.code, done.out) == (0, "")
    assert f"Placed {placed}" in done.err
    assert "is not on PATH" in done.err
    assert placed.read_bytes() == HELPER.read_bytes()
    assert placed.stat().st_mode & 0o777 == 0o755
    assert [one.name for one in placed.parent.iterdir()] == [placed.name]
    assert run_program("version", b"", env, program=placed).code == 0


def test_an_older_helper_is_replaced(
    regcred: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / docker.PROGRAM).write_text("old")
    (tmp_path / docker.PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    done = regcred(*INSTALL, str(tmp_path))

    assert (tmp_path / docker.PROGRAM).read_bytes() == HELPER.read_bytes()
    assert "is not on PATH" not in done.err


@pytest.mark.parametrize(
    "hub",
    ["docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"],
)
def test_docker_hub_is_printed_in_both_spellings(
    regcred: Regcred, tmp_path: Path, hub: str
) -> None:
    named = ("-r", hub, "-r", "https://GHCR.io/", "-r", "a:5000")
    done = regcred(*INSTALL, str(tmp_path / "bin"), *named, "--print")

    assert json.loads(done.out) == {
        "credHelpers": {
            "https://index.docker.io/v1/": "regcred",
            "docker.io": "regcred",
            "ghcr.io": "regcred",
            "a:5000": "regcred",
        }
    }
    assert not (tmp_path / "home" / ".docker").exists()


def test_print_shows_every_line_and_changes_nothing(
    regcred: Regcred, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "bin"
    done = regcred(*INSTALL, str(folder), "-r", "ghcr.io", "--all", "--registries-conf", "--print")

    assert json.loads(done.out) == {"credHelpers": {"ghcr.io": "regcred"}, "credsStore": "regcred"}
    assert done.err == (
        'registries.conf: credential-helpers = ["regcred", "containers-auth.json"]\n'
    )
    assert not folder.exists()
    assert [*home.iterdir()] == []
    assert json.loads(regcred(*INSTALL, str(folder), "--all", "--print").out) == {
        "credsStore": "regcred"
    }


def test_the_place_may_stand_in_the_environment(
    regcred: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGCRED_BIN_DIR", str(tmp_path / "bin"))

    assert regcred("docker", "install").code == 0
    assert (tmp_path / "bin" / docker.PROGRAM).exists()


@pytest.mark.parametrize("registry", ["", "ghcr.io/team", "*.example", "a b", "http://a"])
def test_what_cred_helpers_cannot_hold_is_refused(
    regcred: Regcred, tmp_path: Path, registry: str
) -> None:
    done = regcred(*INSTALL, str(tmp_path), "--registry", registry)

    assert done.code == 2
    assert list(tmp_path.glob("docker*")) == []


def test_a_folder_that_cannot_be_written_is_said_so(regcred: Regcred, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = regcred(*INSTALL, str(tmp_path / "file"))

    assert done.code == 1
    assert "--bin-dir" in done.err


def test_a_place_that_is_taken_leaves_nothing_behind(regcred: Regcred, tmp_path: Path) -> None:
    (tmp_path / docker.PROGRAM).mkdir()

    assert regcred(*INSTALL, str(tmp_path)).code == 1
    assert [one.name for one in tmp_path.iterdir() if one.name != "home"] == [docker.PROGRAM]


def test_without_an_interpreter_there_is_no_helper(
    regcred: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placed, "INTERPRETER", tmp_path / "python3")

    assert regcred(*INSTALL, str(tmp_path)).code == 1


@pytest.mark.parametrize(("user", "folder"), [(0, "/usr/local/bin"), (1000, "~/.local/bin")])
def test_the_usual_place_depends_on_the_user(
    monkeypatch: pytest.MonkeyPatch, user: int, folder: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)

    assert docker._usual_folder() == Path(folder).expanduser()
