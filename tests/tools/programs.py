"""Run real programs: found once, bounded in time, ended by the id they were started with."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

_T = TypeVar("_T")

LOOPBACK = "127.0.0.1"
_BIN = Path(sys.executable).parent
# How Python's modules are found, and how coverage follows the programs that are started here.
FOLLOWED = frozenset({"COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"})
_KEPT = ("PYTHONPATH", "LANG", *FOLLOWED)
_SBIN = "/usr/sbin:/sbin"
_POLL_SECONDS = 0.02


class Finished(NamedTuple):
    """How a program ended, with all it wrote."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Return both streams: what a person would have seen."""
        return self.out + self.err


class ProgramMissing(Exception):
    """A program that must be installed is not on this machine."""


class NotReady(Exception):
    """A server did not come up, or ended while it was waited for."""


def find(name: str) -> str:
    """Return a program's path: beside this interpreter first, then on PATH, then where root's are.

    Raise ProgramMissing.
    """
    found = (
        shutil.which(name, path=str(_BIN)) or shutil.which(name) or shutil.which(name, path=_SBIN)
    )
    if found is None:
        raise ProgramMissing(name)
    return found


def regcred() -> list[str]:
    """Return how `regcred` is called: the console script beside this interpreter, or its module."""
    script = _BIN / "regcred"
    return [str(script)] if script.exists() else [sys.executable, "-m", "regcred"]


def environment(home: Path, *, path: Sequence[Path] = (), **more: str) -> dict[str, str]:
    """Return a small environment whose home, temporary and configuration folders are in `home`.

    Nothing of the tester's own session gets in but what `_KEPT` names.
    """
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([*map(str, path), str(_BIN), "/usr/local/bin:/usr/bin:/bin:/sbin"]),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "TMPDIR": str(temporary),
        "NO_COLOR": "1",
        **more,
    }


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: str = "",
    seconds: float = 60,
    cwd: Path | None = None,
    followed: bool = False,
) -> Finished:
    """Run a program to its end. Raise subprocess.TimeoutExpired.

    Coverage follows it only if asked to, which doubles what a command line costs: what these do
    is looked at where they run inside of a test.
    """
    done = subprocess.run(
        argv,
        env=dict(env) if followed else unfollowed(env),
        input=stdin.encode(),
        capture_output=True,
        timeout=seconds,
        cwd=cwd,
        check=False,
    )
    return Finished(
        done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def unfollowed(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which coverage does not follow a program."""
    return {name: value for name, value in env.items() if name not in FOLLOWED}


class Watched(NamedTuple):
    """How a program ended, and what /proc showed of it while it lived."""

    finished: Finished
    command_lines: tuple[bytes, ...]
    environments: tuple[bytes, ...]


def run_watched(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: str = "", seconds: float = 60
) -> Watched:
    """Run a program that reads stdin, and look at its /proc entry from start to end.

    It gets its input only after the first look, so that even the shortest run is seen.
    """
    process = subprocess.Popen(
        argv,
        env=unfollowed(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    lines: set[bytes] = set()
    environments: set[bytes] = set()

    def look() -> None:
        for name, into in (("cmdline", lines), ("environ", environments)):
            try:
                into.add(Path(f"/proc/{process.pid}/{name}").read_bytes())
            except OSError:
                return

    deadline = time.monotonic() + seconds
    time.sleep(_POLL_SECONDS)
    look()
    text: bytes | None = stdin.encode()
    out = err = b""
    while True:
        try:
            out, err = process.communicate(text, timeout=_POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            text = None
            look()
            if time.monotonic() > deadline:
                process.kill()
                process.communicate()
                raise
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it may have ended without reading all
            process.stdin.close()
    finished = Finished(
        process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    )
    return Watched(finished, tuple(lines), tuple(environments))


def free_port() -> int:
    """Return a loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(look: Callable[[], _T], *, seconds: float = 30) -> _T:
    """Return what a look finds once it finds something. Raise NotReady."""
    until = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > until:
            raise NotReady("what was waited for did not come")
        time.sleep(_POLL_SECONDS)
    return found


async def until(reached: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return once something holds that has no event of its own. Raise TimeoutError."""
    async with asyncio.timeout(seconds):
        while not reached():  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.001)


def listens(port: int) -> bool:
    """Whether somebody takes connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def http_status(port: int, path: str, *, seconds: float = 1) -> int | None:
    """Return the status of one GET on loopback, None if nothing answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    except http.client.HTTPException:
        return None
    finally:
        connection.close()


class Daemon:
    """A program that runs until it is stopped. What it writes stays in two files."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        logs: Path,
        name: str,
        cores: Iterable[int] = (),
    ) -> None:
        """Start it, on `cores` alone if any are named."""
        logs.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out = logs / f"{name}.out"
        self.err = logs / f"{name}.err"
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        if chosen := set(cores):
            os.sched_setaffinity(self._process.pid, chosen)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self._process.poll()

    @property
    def text(self) -> str:
        """Return all it wrote so far."""
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace")

    def wait_ready(self, ready: Callable[[], bool], seconds: float = 30) -> Self:
        """Wait until `ready()`. Raise NotReady with what the program wrote."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.code is not None:
                raise NotReady(f"{self.name} ended with {self.code}:\n{self.text}")
            if time.monotonic() > deadline:
                self.stop()
                raise NotReady(f"{self.name} was not ready in {seconds} s:\n{self.text}")
            time.sleep(_POLL_SECONDS)
        return self

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end and return its exit code. Raise subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.code is None:
            self._process.send_signal(number)

    def stop(self, seconds: float = 15) -> int:
        """End it and return its exit code: asked first, forced after `seconds`."""
        self.send(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once, as a crash would."""
        self.send(signal.SIGKILL)
        return self._process.wait()
