"""The parent of several workers: it starts, watches and stops them, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house.source import ROOT
from tests.tools.programs import wait_for

_PARENT = """
import os, signal, sys, time
from pathlib import Path
from regcred.bootstrap.workers import REFUSED, Workers

folder = Path(sys.argv[1])

def begin(index):
    (folder / f"{index}.{os.getpid()}").touch()

def serve(index):
    signal.signal(signal.SIGTERM, lambda *_: None)
    begin(index)
    signal.pause()
    return 0

def stubborn(index):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(index)
    while True:
        signal.pause()

def refused(index):
    begin(index)
    return REFUSED

def raising(index):
    begin(index)
    raise ValueError("a secret")

def graceful(index):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    begin(index)
    signal.pause()
    (folder / f"stopped.{index}").touch()
    return 0

sys.exit(Workers(2, globals()[sys.argv[2]], grace=float(sys.argv[3])).run())
"""


class Parent(NamedTuple):
    process: subprocess.Popen[bytes]
    folder: Path

    def started(self) -> list[tuple[str, int]]:
        """Return (index, pid) of every worker that ever began."""
        found = [path.name.split(".") for path in self.folder.glob("[0-9].*")]
        return sorted((index, int(pid)) for index, pid in found)

    def wait_started(self, count: int) -> list[tuple[str, int]]:
        return wait_for(lambda: (now := self.started())[count - 1 :] and now)

    def end(self) -> int:
        return self.process.wait(timeout=30)


@contextmanager
def parent(folder: Path, work: str, grace: float = 5) -> Iterator[Parent]:
    command = [sys.executable, "-c", _PARENT, str(folder), work, str(grace)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        made = Parent(process, folder)
        try:
            yield made
        finally:
            if process.poll() is None:
                process.kill()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_every_worker_runs_and_is_stopped_with_its_grace(
    tmp_path: Path, told: signal.Signals
) -> None:
    with parent(tmp_path, "graceful") as made:
        workers = made.wait_started(2)
        made.process.send_signal(told)

        assert made.end() == 0
    assert [index for index, _ in workers] == ["0", "1"]
    assert {path.name for path in tmp_path.glob("stopped.*")} == {"stopped.0", "stopped.1"}


def test_a_worker_that_is_killed_is_started_again_in_its_place(tmp_path: Path) -> None:
    with parent(tmp_path, "serve") as made:
        (_, first), _ = made.wait_started(2)
        os.kill(first, signal.SIGKILL)

        assert [index for index, _ in made.wait_started(3)] == ["0", "0", "1"]
        made.process.send_signal(signal.SIGTERM)
        assert made.end() == 0


def test_one_that_keeps_dying_is_started_ever_more_slowly_and_says_nothing_secret(
    tmp_path: Path,
) -> None:
    with parent(tmp_path, "raising") as made:
        made.wait_started(4)
        made.process.send_signal(signal.SIGTERM)
        made.end()
        assert made.process.stdout is not None
        said = made.process.stdout.read().decode()

    assert "a worker failed" in said
    assert "ValueError" in said
    assert "a secret" not in said


def test_a_refused_start_ends_all_of_them(tmp_path: Path) -> None:
    with parent(tmp_path, "refused") as made:
        assert made.end() == 1

    assert len(made.started()) <= 2


@pytest.mark.parametrize("again", [True, False])
def test_one_that_does_not_stop_is_killed(tmp_path: Path, *, again: bool) -> None:
    """At once when told a second time, else when its grace and a margin are over."""
    grace = 60 if again else -4.9
    with parent(tmp_path, "stubborn", grace) as made:
        workers = made.wait_started(2)
        made.process.send_signal(signal.SIGTERM)
        if again:
            time.sleep(0.2)
            made.process.send_signal(signal.SIGTERM)

        assert made.end() == 1
    assert all(gone(pid) for _, pid in workers)


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    with parent(tmp_path, "serve") as made:
        workers = made.wait_started(2)
        made.process.kill()
        made.end()

        assert wait_for(lambda: all(gone(pid) for _, pid in workers))
