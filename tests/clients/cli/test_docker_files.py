"""docker install, uninstall and status: what they do to a user's files, and what they never do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from regcred.clients.cli import docker_files
from regcred.clients.wiring import replacing
from regcred.clients.wiring.replacing import Keep
from tests.clients.cli.conftest import Ran, Regcred
from tests.clients.helper_runs import HELPER

SECRET = "dXNlcjpzM2NyM3Q="
HUB = "https://index.docker.io/v1/"


@pytest.fixture
def docker(home: Path) -> Path:
    path = home / ".docker" / "config.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def auth(home: Path) -> Path:
    path = home / "config" / "containers" / "auth.json"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def drop_in(home: Path) -> Path:
    return home / ".config" / "containers" / "registries.conf.d" / "99-regcred.conf"


@pytest.fixture(autouse=True)
def helper(home: Path, env: dict[str, str]) -> Path:
    """A PATH with regcred's helper on it, and none of this machine's clients."""
    path = home / "bin" / "docker-credential-regcred"
    path.parent.mkdir()
    shutil.copy(HELPER, path)
    path.chmod(0o755)
    env["PATH"] = str(path.parent)
    return path


@pytest.fixture
def install(regcred: Regcred, home: Path) -> Any:
    def run(*arguments: str) -> Ran:
        return regcred("docker", "install", "--bin-dir", str(home / "bin"), *arguments)

    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_both_files_name_the_registry_and_keep_what_they_had(
    install: Any, docker: Path, auth: Path
) -> None:
    docker.write_text('{\n  "auths": {"other": {"auth": "' + SECRET + '"}},\n  "n": 1e3\n}')

    done = install("-r", "ghcr.io", "-r", "docker.io")

    assert done.code == 0, done.err
    assert done.out == ""
    assert '"n": 1e3' in docker.read_text()
    asked = {"ghcr.io": "regcred", HUB: "regcred", "docker.io": "regcred"}
    assert json.loads(docker.read_text())["credHelpers"] == asked
    assert json.loads(auth.read_text()) == {"credHelpers": asked}
    assert f"Changed {docker} (as it was: {docker}.before-regcred)" in done.err
    assert f"Changed {auth}\n" in done.err


def test_a_second_run_has_nothing_to_change(install: Any, docker: Path, home: Path) -> None:
    docker.write_text("{}")
    install("-r", "ghcr.io", "--all", "--registries-conf")
    before = tree(home)

    done = install("-r", "ghcr.io", "--all", "--registries-conf")

    assert "There is nothing to change." in done.err
    assert tree(home) == before


def test_uninstall_takes_out_exactly_what_install_put_in(
    install: Any, regcred: Regcred, docker: Path, auth: Path, drop_in: Path, helper: Path
) -> None:
    before = '{\n\t"auths": {\n\t\t"ghcr.io": {}\n\t},\n\t"credHelpers": {"a.example": "gcloud"}}\n'
    docker.write_text(before)
    install("-r", "ghcr.io", "-r", "docker.io", "--all", "--registries-conf")
    assert drop_in.exists()
    assert json.loads(docker.read_text())["credsStore"] == "regcred"

    done = regcred("docker", "uninstall")

    assert done.code == 0, done.err
    assert docker.read_text() == before
    assert not auth.exists()
    assert f"Deleted {auth}\n" in done.err
    assert f"Changed {docker}\n" in done.err
    assert not drop_in.exists()
    assert not auth.with_name("auth.json.before-regcred").exists()
    assert helper.exists()
    assert "There is nothing to change." in regcred("docker", "uninstall").err


def test_a_dry_run_shows_a_diff_without_secrets_and_writes_nothing(
    install: Any, regcred: Regcred, docker: Path, home: Path
) -> None:
    docker.write_text(
        json.dumps(
            {
                "auths": {"ghcr.io": {"auth": SECRET, "identitytoken": "t0ken"}},
                "HttpHeaders": {"X-Key": "h3ader"},
            },
            indent=1,
        )
    )
    before = tree(home)

    done = install("-r", "ghcr.io", "--registries-conf", "--dry-run")

    assert done.code == 0, done.err
    assert f"--- {docker}\n+++ {docker}\n@@" in done.out
    assert '+  "ghcr.io": "regcred"\n' in done.out
    assert '+credential-helpers = ["regcred", "containers-auth.json"]\n' in done.out
    assert not any(secret in done.out + done.err for secret in (SECRET, "t0ken", "h3ader"))
    assert "Would place" in done.err
    assert tree(home) == before

    install("-r", "ghcr.io")
    before = tree(home)
    taken = regcred("docker", "uninstall", "--dry-run")
    assert '-  "ghcr.io": "regcred"\n' in taken.out
    assert SECRET not in taken.out
    assert "There is nothing to change." in install("-r", "ghcr.io", "--dry-run").err
    assert tree(home) == before


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"credHelpers": []}', '{"credsStore": 1}', '{"auths": {}} {}', "\ufeff{}"],
)
@pytest.mark.parametrize("which", ["docker", "auth"])
def test_a_broken_file_stops_everything_and_stays_as_it_is(
    install: Any, docker: Path, auth: Path, home: Path, which: str, text: str
) -> None:
    broken = {"docker": docker, "auth": auth}[which]
    broken.write_text(text)
    before = tree(home)

    done = install("-r", "ghcr.io", "--all")

    if (which, text) == ("auth", '{"credsStore": 1}'):
        assert done.code == 0  # podman does not read that name, so it is not looked at
        return
    assert done.code == 1
    assert f"{broken} is left alone" in done.err
    assert "Nothing was changed." in done.err
    assert tree(home) == before


def test_an_empty_file_that_was_there_before_stays(
    install: Any, regcred: Regcred, docker: Path
) -> None:
    docker.write_text("{}\n")
    install("-r", "ghcr.io")

    regcred("docker", "uninstall")

    assert docker.read_text() == "{}\n"


def test_an_old_copy_is_not_called_as_it_was(install: Any, regcred: Regcred, docker: Path) -> None:
    docker.write_text("{}")
    assert "as it was" in install("-r", "ghcr.io").err
    docker.write_text('{"credHelpers": {"ghcr.io": "regcred"}, "later": 1}')

    again, out = install("-r", "quay.io"), regcred("docker", "uninstall")

    assert f"Changed {docker}\n" in again.err
    assert f"Changed {docker}\n" in out.err
    assert docker.with_name("config.json.before-regcred").read_text() == "{}"


@pytest.mark.parametrize("command", [("install", "-r", "ghcr.io"), ("uninstall",)])
def test_what_is_no_file_is_refused(
    regcred: Regcred, docker: Path, home: Path, command: tuple[str, ...]
) -> None:
    docker.mkdir()
    before = tree(home)

    done = regcred("docker", *command)

    assert done.code == 1
    assert f"{docker} is not a file" in done.err
    assert tree(home) == before


def test_uninstall_leaves_a_broken_file_alone(regcred: Regcred, docker: Path) -> None:
    docker.write_text('{"credHelpers": {"ghcr.io": "regcred"')

    done = regcred("docker", "uninstall")

    assert done.code == 1
    assert docker.read_text() == '{"credHelpers": {"ghcr.io": "regcred"'


@pytest.mark.parametrize(
    ("before", "option", "what"),
    [
        ('{"credsStore": "desktop"}', "--all", "every registry"),
        ('{"credHelpers": {"ghcr.io": "gcloud"}}', "-rghcr.io", "ghcr.io"),
    ],
)
def test_another_helper_gives_way_only_when_told_to(
    install: Any, docker: Path, home: Path, before: str, option: str, what: str
) -> None:
    docker.write_text(before)
    seen = tree(home)

    refused = install(option)

    assert refused.code == 5
    assert f"about {what}: --replace-store" in refused.err
    assert tree(home) == seen
    assert install(option, "--replace-store").code == 0
    assert '"regcred"' in docker.read_text()
    assert docker.with_name("config.json.before-regcred").read_text() == before


def test_the_files_are_where_the_variables_say(
    install: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "dc"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "dc" / "config.json"))

    done = install("-r", "ghcr.io")

    assert done.err.count("Changed ") == 1
    assert json.loads((home / "dc" / "config.json").read_text()) == {
        "credHelpers": {"ghcr.io": "regcred"}
    }


def test_credentials_store_is_not_podmans(install: Any, auth: Path) -> None:
    done = install("--all")

    assert "podman, buildah and skopeo do not read credsStore" in done.err
    assert not auth.exists()


def test_the_drop_in_repeats_the_helpers_that_were_there(
    install: Any, home: Path, drop_in: Path
) -> None:
    conf = home / ".config" / "containers" / "registries.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text('credential-helpers = ["containers-auth.json", "secretservice"]\n')

    install("--registries-conf")

    assert drop_in.read_text().splitlines()[1] == (
        'credential-helpers = ["regcred", "containers-auth.json", "secretservice"]'
    )
    assert conf.read_text() == 'credential-helpers = ["containers-auth.json", "secretservice"]\n'


@pytest.mark.parametrize("which", ["drop-in", "conf"])
def test_a_drop_in_of_somebody_else_or_a_broken_conf_is_left_alone(
    install: Any, regcred: Regcred, drop_in: Path, home: Path, which: str
) -> None:
    drop_in.parent.mkdir(parents=True)
    path = drop_in if which == "drop-in" else drop_in.parent.with_suffix("")
    path.write_text("credential-helpers = [1")
    before = tree(home)

    assert install("--registries-conf").code == 1
    assert regcred("docker", "uninstall").code == 0
    assert tree(home) == before


def test_a_file_that_cannot_be_written_is_said_so(
    install: Any, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.write_text("{}")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("regcred.clients.cli.docker_files.replace", full)
    done = install("-r", "ghcr.io")

    assert done.code == 1
    assert f"{docker} was not written: No space left on device" in done.err


def test_a_file_that_changes_meanwhile_is_said_so(
    install: Any, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.write_text("{}")
    seen = os.lstat
    monkeypatch.setattr("regcred.clients.wiring.replacing.os.lstat", lambda _: seen(docker.parent))

    done = install("-r", "ghcr.io")

    assert done.code == 1
    assert "was changed meanwhile" in done.err
    assert docker.read_text() == "{}"


def test_installing_tells_what_comes_before_regcred(
    install: Any, home: Path, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = home / "run"
    (runtime / "containers").mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    session = runtime / "containers" / "auth.json"
    session.write_text(json.dumps({"auths": {"ghcr.io/team": {"auth": SECRET}}}))
    docker.write_text(json.dumps({"auths": {"ghcr.io": {"auth": SECRET}}}))

    done = install("-r", "ghcr.io")

    assert (
        f"podman, buildah, skopeo: ghcr.io/team still comes from a login stored in {session}"
        in (done.err)
    )
    assert "ghcr.io/team: it comes before regcred, which" in done.err
    assert f"docker, crane: ghcr.io: the login for it in auths of {docker} is not used." in done.err
    assert SECRET not in done.err


def test_status_tells_each_clients_routes(
    install: Any, regcred: Regcred, docker: Path, helper: Path
) -> None:
    docker.write_text(json.dumps({"credHelpers": {"a.example": "gcloud"}}))
    install("-r", "ghcr.io", "--registries-conf")

    table = regcred("docker", "status")
    told = json.loads(regcred("docker", "status", "-o", "json").out)

    assert table.code == 0, table.err
    lines = [" ".join(line.split()) for line in table.out.splitlines()]
    assert f"docker, crane a.example docker-credential-gcloud {docker} -" in lines
    assert f"docker, crane ghcr.io docker-credential-regcred {docker} -" in lines
    assert any(line.startswith("podman, buildah, skopeo every registry") for line in lines)
    assert f"{helper} runs: 0.1.0" in table.err
    assert told["helper"] == {"path": str(helper), "runs": True, "version": "0.1.0", "fault": ""}
    assert told["installed"] == []
    assert {"clients": ["docker", "crane"], "registry": "ghcr.io"}.items() <= told["routes"][
        1
    ].items()
    assert regcred("docker", "status", "-o", "name").out.startswith("a.example\nghcr.io\n")


def test_status_of_a_bare_machine_says_what_to_do(regcred: Regcred) -> None:
    done = regcred("docker", "status")

    assert done.code == 0
    assert "regcred docker install" in done.out


def test_a_helper_that_is_asked_and_cannot_run_is_a_failure(
    install: Any, regcred: Regcred, helper: Path
) -> None:
    install("-r", "ghcr.io")
    helper.chmod(0o644)
    not_executable = regcred("docker", "status")
    helper.chmod(0o755)
    helper.write_text("#!/bin/sh\nexit 3\n")
    failing = regcred("docker", "status")
    helper.write_text("#!/bin/sh\necho docker-credential-regcred v 0.0.9\n")
    old = regcred("docker", "status")
    helper.unlink()
    missing = regcred("docker", "status")

    assert [one.code for one in (not_executable, failing, old, missing)] == [1, 1, 0, 1]
    assert "is not executable" in not_executable.err
    assert "does not run" in failing.err
    assert "0.0.9, and this is regcred 0.1.0" in old.err
    assert "it is not on PATH" in missing.err


def test_two_names_of_one_file_are_one_change(install: Any, docker: Path, auth: Path) -> None:
    docker.write_text("{}")
    auth.symlink_to(docker)

    done = install("-r", "ghcr.io", "--all")

    assert done.code == 0, done.err
    assert done.err.count("Changed") == 1
    assert json.loads(docker.read_text()) == {
        "credHelpers": {"ghcr.io": "regcred"},
        "credsStore": "regcred",
    }


def test_a_later_file_that_is_not_written_leaves_word_of_the_first(
    install: Any, docker: Path, auth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.write_text("{}")
    auth.write_text("{}")
    replace = replacing.replace

    def full(original: Any, text: str, *, keep: Keep) -> None:
        if original.path == auth:
            raise OSError(28, "No space left on device")
        replace(original, text, keep=keep)

    monkeypatch.setattr(docker_files, "replace", full)

    done = install("-r", "ghcr.io")

    assert done.code == 1
    assert f"{auth} was not written: No space left on device. Already written: {docker}" in done.err
