"""regcred agent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from regcred.clients.config import ClientConfig, config_path, save
from tests.clients.agents import runtime_folder
from tests.clients.cli.conftest import Regcred
from tests.clients.helper_runs import run_program
from tests.clients.stub_service import KEY, REVEALED, StubService, login
from tests.tools.programs import Daemon, environment

Env = dict[str, str]


@pytest.fixture
def env(home: Path) -> Iterator[Env]:
    """A user's environment without any setting of ours."""
    with runtime_folder() as runtime:
        yield environment(home, XDG_RUNTIME_DIR=str(runtime))


def agent(env: Env, tmp_path: Path, *more: str) -> Daemon:
    argv = [sys.executable, "-m", "regcred", "agent", *more]
    return Daemon(argv, env=env, logs=tmp_path / "logs", name="agent")


def test_a_helper_is_answered_until_the_agent_is_stopped(
    stub: StubService, env: Env, tmp_path: Path
) -> None:
    stub.logins = [login("one")]
    save(config_path(env), ClientConfig(stub.url, KEY))
    place = Path(env["XDG_RUNTIME_DIR"], "regcred", "agent.sock")
    daemon = agent(env, tmp_path)
    daemon.wait_ready(lambda: "Listening" in daemon.text)

    said = run_program("get", b"registry.example", env)
    daemon.stop()

    assert json.loads(said.out)["Secret"] == REVEALED
    assert stub.last.headers["connection"] == "keep-alive"
    assert daemon.code == 0
    assert daemon.text == f"Listening at {place}\n"
    assert not place.exists()


def test_it_ends_when_nobody_asks(stub: StubService, env: Env, tmp_path: Path) -> None:
    save(config_path(env), ClientConfig(stub.url, KEY))
    daemon = agent(env, tmp_path, "--idle", "1")

    assert daemon.wait() == 0


def test_without_a_login_there_is_nothing_to_keep(regcred: Regcred) -> None:
    done = regcred("agent")

    assert done.code == 4
    assert "no service is set" in done.err


def test_settings_that_the_helper_would_not_have_are_refused(
    regcred: Regcred, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGCRED_URL", "https://regcred.example")
    monkeypatch.setenv("REGCRED_ON_ERROR", "anonymous")

    done = regcred("agent")

    assert done.code == 2
    assert "REGCRED_URL is set: unset it" in done.err


def test_without_a_place_to_listen_it_says_so(
    stub: StubService, regcred: Regcred, env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(config_path(env), ClientConfig(stub.url, KEY))
    monkeypatch.delenv("XDG_RUNTIME_DIR")

    done = regcred("agent")

    assert done.code == 1
    assert "XDG_RUNTIME_DIR" in done.err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_its_memory_is_closed(stub: StubService, env: Env, tmp_path: Path) -> None:
    """No core, and none of its user's other processes may look into it."""
    save(config_path(env), ClientConfig(stub.url, KEY))
    daemon = agent(env, tmp_path)
    daemon.wait_ready(lambda: "Listening" in daemon.text)
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    asked = (
        "import ctypes; from regcred.clients.unreadable import close_memory; close_memory();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    dumpable = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    daemon.stop()

    core = next(line for line in limits.splitlines() if "core file" in line)
    assert core.split()[4:6] == ["0", "0"]
    assert dumpable.stdout == b"0\n"
