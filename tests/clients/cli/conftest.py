"""The command line, called as a user calls it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import pytest
from typer.testing import CliRunner

from regcred.clients.cli import app


class Ran(NamedTuple):
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str


class Regcred(Protocol):
    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Ran: ...


@pytest.fixture
def regcred(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Regcred:
    """Run `regcred` with the environment of `env` and no terminal."""
    for name, value in {**env, "NO_COLOR": "1", "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, stdin: str | bytes | None = None) -> Ran:
        done = CliRunner().invoke(app, list(arguments), input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)

    return run
