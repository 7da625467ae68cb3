"""Search for inputs that break a parser which judges foreign text: coverage-guided, by atheris.

    make campaign      (or: python tools/fuzz.py [TARGET …] [--executions N] [--seed S])

Each search runs in a process of its own, for a counted number of executions and from a seed. A
target must raise nothing but its own refusal, take less than two seconds for every input, and keep
the properties that `fuzzing/targets.py` states. Before that its controls run: the same target with
a planted defect, and with a planted hang, which the same search must find.
"""

from __future__ import annotations

import argparse
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FUZZER = Path(__file__).parent / "fuzzing" / "one.py"
TARGETS = ("challenge", "host", "reference")
PLANTS = ("defect", "hang")
_EXPECTED = {"defect": "Planted", "hang": "hang", "": ""}
_EXECUTIONS = 3_340_000
_CONTROL_EXECUTIONS = 2_000_000
_HANG_SECONDS = 2
_MAX_SECONDS = 3600
_MAX_BYTES = 512
_CONTROL_BYTES = 5
_PARTS = 2
"""Searches of one target, from seeds of their own: the slowest target keeps two cores busy."""

_KEPT_OUTPUT = 64 * 1024
_PROGRESS_SECONDS = 15
_COUNT = re.compile(rb"^(?:Done |#)(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Search:
    """What one process looks for. `plant` is "" or one of PLANTS."""

    target: str
    plant: str
    executions: int
    seed: int

    def __str__(self) -> str:
        return f"{self.target} (control: {self.plant})" if self.plant else self.target

    def command(self, folder: Path) -> list[str]:
        """Return how to start it; its corpus and what it finds go into two folders there."""
        return [
            *(sys.executable, str(FUZZER), str(os.getpid())),
            *(self.target, self.plant, str(folder / "corpus")),
            *(f"-runs={self.executions}", f"-seed={self.seed}", f"-timeout={_HANG_SECONDS}"),
            f"-max_len={_CONTROL_BYTES if self.plant else _MAX_BYTES}",
            f"-artifact_prefix={folder / 'found'}/",
        ]


@dataclass(frozen=True)
class Outcome:
    """How often a search executed its target, and what it found: "" is nothing."""

    search: Search
    executions: int
    found: str

    @property
    def good(self) -> bool:
        """Whether it found what was planted and nothing else."""
        expected = _EXPECTED[self.search.plant]
        return self.found.startswith(expected) if expected else not self.found


class Running:
    """A search under way. It ends with this process, even if this is killed."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.executions = 0
        self._output = b""
        self._overdue = time.monotonic() + _MAX_SECONDS
        self._folder = tempfile.TemporaryDirectory(prefix="regcred-fuzz-")
        folder = Path(self._folder.name)
        (folder / "corpus").mkdir()
        (folder / "found").mkdir()
        reading, writing = os.pipe()
        self._reading = os.fdopen(reading, "rb", buffering=0)
        self._process = subprocess.Popen(
            search.command(folder),
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
        )
        os.close(writing)

    def fileno(self) -> int:
        """Return where its output can be waited for."""
        return self._reading.fileno()

    def read(self) -> bool:
        """Take in what it says now; False at the end of it."""
        said = self._reading.read(_KEPT_OUTPUT)
        self._output = (self._output + said)[-_KEPT_OUTPUT:]
        counts = [int(count) for count in _COUNT.findall(self._output)]
        self.executions = max([self.executions, *counts])
        return bool(said)

    def check_time(self) -> None:
        """Kill it if it takes far too long; its outcome then says that it did not finish."""
        if time.monotonic() > self._overdue:
            self._process.kill()

    def outcome(self) -> Outcome:
        """Return what came of it, once there is nothing more to read."""
        code = self._process.wait()
        if code == 0 and self.executions >= self.search.executions:
            return Outcome(self.search, self.executions, "")
        found = sorted(Path(self._folder.name, "found").iterdir())
        inputs = ", ".join(repr(path.read_bytes()) for path in found)
        said = self._output.decode(errors="replace")
        raised = re.search(r"=== Uncaught Python exception: ===\n(\w+)", said)
        what = raised[1] if raised else "hang" if "libFuzzer: timeout" in said else "stop"
        return Outcome(self.search, self.executions, f"{what} for {inputs or said[-200:]}")

    def close(self) -> None:
        """End it if it still runs, and clear away what it wrote."""
        self._process.kill()
        self._process.wait()
        self._reading.close()
        self._folder.cleanup()


def outcomes(searches: Iterable[Search], at_once: int) -> Iterator[Outcome]:
    """Run the searches, so many at once, and yield what came of each as it ends."""
    waiting = deque(searches)
    running: list[Running] = []
    shown = time.monotonic()
    try:
        with selectors.DefaultSelector() as selector:
            while waiting or running:
                while waiting and len(running) < at_once:
                    running.append(Running(waiting.popleft()))
                    selector.register(running[-1], selectors.EVENT_READ)
                ready = {key.fd for key, _ in selector.select(timeout=1)}
                for one in [one for one in running if one.fileno() in ready]:
                    if not one.read():
                        selector.unregister(one)
                        yield one.outcome()
                        running.remove(one)
                        one.close()
                for one in running:
                    one.check_time()
                if time.monotonic() - shown >= _PROGRESS_SECONDS:
                    shown = time.monotonic()
                    for one in running:
                        print(f"  …   {one.search!s:28}  {one.executions:>11,}", flush=True)
    finally:
        for one in running:
            one.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parsers that judge foreign text.")
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="default: all")
    parser.add_argument("--executions", type=int, default=_EXECUTIONS, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    # So that a polite end clears up; for a kill there is `one.py`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    targets = given.target or TARGETS
    searches = [
        *(
            Search(name, plant, _CONTROL_EXECUTIONS, given.seed)
            for name in targets
            for plant in PLANTS
        ),
        *(
            Search(name, "", -(-given.executions // _PARTS), given.seed * _PARTS + part)
            for name in targets
            for part in range(_PARTS)
        ),
    ]
    began = time.monotonic()
    counted: Counter[str] = Counter()
    for outcome in outcomes(searches, given.jobs):
        word = "ok  " if outcome.good else "FAIL"
        found = outcome.found or "nothing"
        print(f"{word}  {outcome.search!s:28}  {outcome.executions:>11,}  {found}", flush=True)
        counted["wrong"] += not outcome.good
        if not outcome.search.plant:
            counted["executions"] += outcome.executions
            counted["hangs"] += outcome.found.startswith("hang")
            counted["crashes"] += bool(outcome.found) and not outcome.found.startswith("hang")
    print(
        f"{counted['executions']:,} executions in {time.monotonic() - began:,.0f} s: "
        f"{counted['crashes']} crashes, {counted['hangs']} hangs"
    )
    return 1 if counted["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
