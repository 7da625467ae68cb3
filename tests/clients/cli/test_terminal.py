"""On a terminal: secrets without echo, a yes before a deletion, a table in bold."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from tests.clients.stub_service import KEY, StubService

PROGRAM = "from regcred.clients.cli import app; app(prog_name='regcred')"
SECRET = "canary-typed-at-a-prompt"


def on_terminal(
    env: Mapping[str, str],
    *arguments: str,
    prompt: str = "",
    typed: str = "",
    dialogue: Sequence[tuple[str, str]] = (),
) -> tuple[int, str]:
    """Run `regcred` on a pseudo-terminal; type once a prompt is there, and then the next."""
    waiting = [*dialogue, *([(prompt, typed)] if typed else [])]
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PYTHON", "COV"))}
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**kept, **env, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "200"}
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover  the other process
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM, *arguments], environment)  # noqa: S606  no shell is the point
    shown, heard = b"", 0
    until = monotonic() + 60
    while monotonic() < until:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        shown += part
        if waiting and waiting[0][0].encode() in shown[heard:]:
            heard = len(shown)
            os.write(terminal, waiting.pop(0)[1].encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_a_password_is_typed_without_echo(stub: StubService, env: dict[str, str]) -> None:
    code, shown = on_terminal(
        env,
        *("credential", "add", "one", "-r", "registry.example", "-u", "me"),
        prompt="Password: ",
        typed=SECRET,
    )

    assert code == 0
    assert stub.seen[0].json["password"] == SECRET
    assert SECRET not in shown


def test_a_secret_for_a_cluster_is_announced(env: dict[str, str]) -> None:
    code, shown = on_terminal(env, "kubernetes", "secret", "pull")

    assert code == 0
    assert shown.startswith("What follows holds passwords.")


def test_a_key_is_typed_without_echo(stub: StubService, env: dict[str, str]) -> None:
    code, shown = on_terminal(env, "login", "--url", stub.url, prompt="Key: ", typed=KEY)

    assert code == 0
    assert KEY not in shown


def test_a_deletion_is_asked_about(stub: StubService, env: dict[str, str]) -> None:
    stub.add("one")
    remove = ("credential", "rm", "one")
    question = "Delete one (puller at registry.example)? [y/N]: "

    kept, said = on_terminal(env, *remove, prompt=question, typed="n")
    assert kept == 1
    assert "Nothing was changed." in said
    assert "one" in stub.credentials

    gone, _ = on_terminal(env, *remove, prompt=question, typed="y")
    assert gone == 0
    assert stub.credentials == {}


def test_no_input_asks_nothing(stub: StubService, env: dict[str, str]) -> None:
    stub.add("one")

    code, said = on_terminal(env, "credential", "rm", "one", "--no-input")

    assert code == 2
    assert "--yes" in said


def test_colour_is_for_terminals_that_want_it(stub: StubService, env: dict[str, str]) -> None:
    stub.add("one", name="[bold]one[/] \x1b[31m")

    _, coloured = on_terminal(env, "credential", "ls")
    _, plain = on_terminal({**env, "NO_COLOR": "1"}, "credential", "ls")

    assert "\x1b[1m" in coloured
    assert "\x1b" not in plain
    for shown in (coloured, plain):
        assert "[bold]one[/] \\u001b[31m" in shown


def test_an_import_asks_before_it_stores(
    stub: StubService, env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {"a.example": {"username": "u", "password": SECRET}}}))
    code, shown = 1, ""
    for typed in ("n", "y"):
        assert stub.credentials == {}
        code, shown = on_terminal(
            env, "import", "docker-config", str(file), prompt="Store 1?", typed=typed
        )

    assert code == 0
    assert list(stub.credentials) == ["a-example-u"]
    assert "a-example-u: created" in shown
    assert SECRET not in shown
