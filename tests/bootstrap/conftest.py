from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from regcred.bootstrap import log_lines, operator, process
from regcred.settings import Settings
from tests.tools.programs import Finished


class Place(NamedTuple):
    """A folder to set a service up in, and its operator's command line in this process."""

    data: Path
    run: Callable[..., Finished]

    @property
    def settings(self) -> Settings:
        """Return what the operator's commands go by."""
        return Settings(data=self.data, port=0)


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    # Both change a process for good; each is tested in processes of its own.
    monkeypatch.setattr(process, "harden", lambda: None)
    monkeypatch.setattr(log_lines, "log_to_stderr", lambda _level: None)
    for name in [name for name in os.environ if name.startswith("REGCRED_")]:
        monkeypatch.delenv(name)
    data = tmp_path / "data"

    def run(command: str, *words: str, **options: object) -> Finished:
        capsys.readouterr()
        code = operator.run(command, words, {"data": data, **options})
        said = capsys.readouterr()
        return Finished(code, said.out, said.err)

    return Place(data, run)
