"""The `regcred` command: the client's commands everywhere, the operator's with the server."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regcred import __version__
from regcred.__main__ import main
from regcred.bootstrap import operator
from regcred.clients.cli import app
from tests.bootstrap.conftest import Place
from tests.tools.programs import Daemon, Finished, environment, run, unfollowed
from tests.tools.service import Service

OPERATOR = ("serve", "init", "migrate", "operator-key")
CLIENT = (
    "login",
    "whoami",
    "credential",
    "explain",
    "resolve",
    "project",
    "key",
    "audit",
    "docker",
)


pytestmark = pytest.mark.usefixtures("signal_handlers")


def module(home: Path, *arguments: str) -> Finished:
    """Run `python -m regcred`."""
    return run([sys.executable, "-m", "regcred", *arguments], env=environment(home), followed=True)


def without(home: Path, missing: str, *arguments: str) -> Finished:
    """Run it where a module of the server is not installed."""
    hide = f"import sys; sys.modules[{missing!r}] = None; sys.argv[0] = 'regcred'; "
    start = "from regcred.__main__ import main; main()"
    return run(
        [sys.executable, "-c", hide + start, *arguments], env=environment(home), followed=True
    )


def test_help_names_the_program_and_every_command(tmp_path: Path) -> None:
    done = module(tmp_path, "--help")

    assert (done.code, done.err) == (0, "")
    assert "Usage: regcred [OPTIONS] COMMAND" in done.out
    for command in (*OPERATOR, *CLIENT):
        assert f" {command} " in done.out


def test_a_server_imports_nothing_that_only_others_need(tmp_path: Path) -> None:
    """Each has the memory of what it imported, and its start the time."""
    service = Service(tmp_path / "service")
    service.init()
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); "
    start = "from regcred.__main__ import main; main()"
    command = [sys.executable, "-c", told + start, *service.command()[1:]]
    server = Daemon(command, env=unfollowed(service.env), logs=service.logs, name="regcred")
    try:
        server.wait_ready(service.ready)
    finally:
        code = server.stop()

    imported = set(server.out.read_text().split())
    assert code == 0
    assert "regcred.bootstrap.service" in imported
    assert imported & {"rich", "httpx2", "sqlalchemy", "boto3", "regcred.clients.api"} == set()


def test_a_command_that_there_is_not_is_told_what_looks_like_it() -> None:
    done = invoke("credentail", "list")

    assert done.code == 2
    assert "Did you mean 'credential'?" in done.err


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert module(tmp_path, "--version").out == f"regcred {__version__}\n"


def test_the_program_has_one_name_however_it_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for called in ("", "regcred/__main__.py", "-c"):
        monkeypatch.setattr(sys, "argv", [called, "serve", "--help"])
        with pytest.raises(SystemExit) as ended:
            main()

        assert ended.value.code == 0
        assert "Usage: regcred serve [OPTIONS]" in capsys.readouterr().out


def test_a_form_of_output_that_there_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["regcred", "scrub", "-o", "yaml"])
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert "'yaml' is not one of" in capsys.readouterr().err


def test_sigterm_unwinds_a_command_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    tidied = []

    def terminated(*_: object) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            tidied.append(True)
        return 0

    monkeypatch.setattr(operator, "run", terminated)
    monkeypatch.setattr(sys, "argv", ["regcred", "scrub"])
    with pytest.raises(SystemExit) as ended:
        main()

    assert (ended.value.code, tidied) == (143, [True])


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("fastapi", "serve"),
        ("pydantic_settings", "serve"),
        ("uvicorn", "serve"),
        *(("structlog", command) for command in OPERATOR),
    ],
)
def test_without_the_server_its_commands_say_how_to_get_it(
    tmp_path: Path, missing: str, command: str
) -> None:
    done = without(tmp_path, missing, command)

    assert (done.code, done.out) == (1, "")
    assert done.err == "the server is not installed here: pip install 'regcred[server]'\n"


def test_without_the_server_a_client_has_its_commands(tmp_path: Path) -> None:
    done = without(tmp_path, "uvicorn", "--help")

    assert done.code == 0
    assert " credential " in done.out


def test_a_module_of_ours_that_is_missing_is_not_taken_for_the_server(tmp_path: Path) -> None:
    """A broken installation must not send its operator to install what is there."""
    done = without(tmp_path, "regcred.bootstrap.state", "init")

    assert done.code == 1
    assert "is not installed" not in done.text
    assert "regcred.bootstrap.state" in done.err


# Options become settings


def invoke(*arguments: str) -> Finished:
    done = CliRunner().invoke(app, arguments)
    return Finished(done.exit_code, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("verify",), ("rotate",), ("rewrap",), ("reseal", "1"), ("remove", "kek-1"),
        ("escrow", "-"), ("recover", "share"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_about_keys_take_the_database_that_serve_takes(
    place: Place, words: tuple[str, ...]
) -> None:
    done = invoke("keys", *words, "--data", str(place.data), "--database", "mysql://x")

    assert done.code == 2
    assert done.err.startswith("--database: ")


def test_the_commands_reach_the_store(place: Place) -> None:
    data = ("--data", str(place.data))

    made = invoke("init", *data, "-o", "json")
    keys = [invoke("operator-key", *data), invoke("operator-key", *data, "--output", "json")]
    current = invoke("migrate", *data)
    plan = invoke("migrate", "--plan", *data)

    assert plan.out.endswith(": current, nothing to do\n")
    assert [made.code, current.code, *(key.code for key in keys)] == [0, 0, 0, 0]
    assert len({made.out, *(key.out for key in keys)}) == 3
    assert current.err.endswith(": current\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "--workers 2: "),
        (["--host", "203.0.113.1", "--port", "0"], "cannot listen on 203.0.113.1:0: "),
        (["--allow-network", "10.0.0.0/8", "--allow-network", "nowhere"], "--allow-network: "),
        (["--log-level", "loud"], "--log-level: "),
        (["--allow-http", "a", "--allow-http", "b", "--accept-rollback", "--workers", "3"],
         "--workers 3: "),
    ],
)  # fmt: skip
def test_serve_hands_its_options_on(place: Place, options: list[str], said: str) -> None:
    done = invoke("serve", "--data", str(place.data), *options)

    assert done.code in {1, 2}
    assert done.err.startswith(said)


def test_a_refusal_of_a_whole_program_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    done = module(tmp_path, "operator-key", *data)
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path / 'data' / 'store'} holds no store: name it with --database" in done.err

    bad = module(tmp_path, "serve", *data, "--port", "70000")
    assert (bad.code, bad.out) == (2, "")
    assert bad.err.startswith("--port: ")
    assert len(bad.err.splitlines()) == 1
