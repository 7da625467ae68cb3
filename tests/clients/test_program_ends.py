"""How a program on a node begins and ends, in this process: the rest is in what it says."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from regcred.clients import docker_helper, kubelet_plugin
from regcred.clients.agent import written
from regcred.clients.docker_helper import Asked
from regcred.clients.node import agent_door, words
from tests.clients.agents import agent_for, runtime_folder
from tests.clients.stub_service import KEY, REVEALED, StubService, login

Env = dict[str, str]
Output = pytest.CaptureFixture[bytes]


class Ended(Exception):
    """Stands for the end of the process."""

    def __init__(self, code: int) -> None:
        self.code = code


@pytest.fixture(autouse=True)
def stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise instead of ending this process."""

    def end(code: int) -> None:
        raise Ended(code)

    for module in (words, agent_door):
        monkeypatch.setattr(module, "_exit", end)


@pytest.fixture
def question() -> Iterator[None]:
    """Put docker's question where a program reads it."""
    read, write = os.pipe()
    kept = os.dup(0)
    os.write(write, b"registry.example")
    os.close(write)
    os.dup2(read, 0)
    yield
    os.dup2(kept, 0)
    for file in (read, kept):
        os.close(file)


def test_the_last_words_are_whole_and_end_their_line(capfdbinary: Output) -> None:
    long = b"x" * 100_000
    with pytest.raises(Ended) as ended:
        words.end(0, long)

    assert ended.value.code == 0
    assert capfdbinary.readouterr().out == long + b"\n"


def test_nothing_to_say_is_no_line(capfdbinary: Output) -> None:
    with pytest.raises(Ended):
        words.end(1, b"")

    assert capfdbinary.readouterr().out == b""


def test_words_that_nobody_takes_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("posix.write", closed)

    with pytest.raises(Ended) as ended:
        words.end(0, b"text")
    assert ended.value.code == 1


@pytest.mark.parametrize("arguments", [[], ["list"], ["get", "x"]])
def test_the_agent_is_asked_for_get_alone(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["helper", *arguments])

    assert agent_door.begin()[:2] == (b"", b"")


@pytest.mark.usefixtures("question")
def test_a_get_that_the_agent_answers_is_over(
    stub: StubService, home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Output
) -> None:
    stub.logins = [login("one")]
    kept = home / "config" / "regcred" / "client.conf"
    kept.parent.mkdir(parents=True)
    kept.write_text(f"url = {stub.url}\nkey = {KEY}\n")
    kept.chmod(0o600)
    monkeypatch.setattr(sys, "argv", ["helper", "get"])

    with runtime_folder() as runtime:
        env = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_RUNTIME_DIR": str(runtime)}
        in_bytes = {name.encode(): value.encode() for name, value in env.items()}
        monkeypatch.setattr("posix.environ", in_bytes)
        with agent_for(env), pytest.raises(Ended) as ended:
            agent_door.begin()

    assert ended.value.code == 0
    assert json.loads(capfdbinary.readouterr().out)["Secret"] == REVEALED


def test_a_get_that_is_broken_off_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["helper", "get"])
    monkeypatch.setattr(agent_door, "through_agent", interrupted)

    with pytest.raises(Ended) as ended:
        agent_door.begin()
    assert ended.value.code == 1


def test_an_agent_s_problem_is_said_as_the_service_s(env: Env) -> None:
    detail = json.dumps({"type": "urn:regcred:problem:x", "detail": "needs reveal"}).encode()
    heard = written((403, b"application/problem+json", detail))
    asked = Asked(0, b"registry.example", heard)

    with Path("/dev/null").open() as nothing:
        asked.stdin = nothing.fileno()
        said = docker_helper.main(["get"], env, asked)

    assert said == (1, b"regcred does not let this key get: needs reveal")


def test_an_agent_s_answer_that_broke_off_is_asked_again(stub: StubService, env: Env) -> None:
    stub.logins = [login("one")]
    with Path("/dev/null").open() as nothing:
        asked = Asked(nothing.fileno(), b"registry.example", b"HTTP/1.1 200\r\n")
        code, text = docker_helper.main(["get"], env, asked)

    assert (code, json.loads(text)["Secret"]) == (0, REVEALED)


@pytest.mark.usefixtures("question")
def test_the_helper_asks_by_itself_and_prints_the_answer(
    stub: StubService, env: Env, monkeypatch: pytest.MonkeyPatch, capfdbinary: Output
) -> None:
    stub.logins = [login("one")]
    monkeypatch.setattr(sys, "argv", ["helper", "get"])
    monkeypatch.setattr(os, "environ", env)

    with pytest.raises(Ended) as ended:
        docker_helper.start(b"", b"", None)

    assert ended.value.code == 0
    assert json.loads(capfdbinary.readouterr().out)["Secret"] == REVEALED


@pytest.mark.parametrize("program", ["helper", "plugin"])
def test_a_program_that_is_broken_off_says_nothing(
    program: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: Output
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    module = docker_helper if program == "helper" else kubelet_plugin
    monkeypatch.setattr(module, "main", interrupted)

    with pytest.raises(Ended) as ended:
        docker_helper.start(b"", b"", None) if program == "helper" else kubelet_plugin.start()

    assert ended.value.code == 1
    assert capfdbinary.readouterr() == (b"", b"")


def test_the_plugin_says_why_it_failed(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: Output
) -> None:
    monkeypatch.setattr(sys, "argv", ["plugin", "--what"])

    with pytest.raises(Ended) as ended:
        kubelet_plugin.start()

    out, err = capfdbinary.readouterr()
    assert (ended.value.code, out) == (1, b"")
    assert err.startswith(b"regcred-kubelet-provider: Usage:")
