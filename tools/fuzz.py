"""Search for inputs that break a parser which judges foreign text: coverage-guided, by atheris.

    make campaign      (or: python tools/fuzz.py [TARGET …] [--executions N] [--seed S])

Each target runs in a process of its own, for a counted number of executions and from a seed. It
must raise nothing but its own refusal, take less than two seconds for every input, and keep the
properties that `fuzzing/targets.py` states. Before that its control runs: the same target with a
planted defect, which the same search must find; and one with a planted hang.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FUZZER = Path(__file__).parent / "fuzzing" / "one.py"
TARGETS = ("challenge", "host", "reference")
_CONTROL_EXECUTIONS = 2_000_000
_HANG_SECONDS = 2
_MAX_SECONDS = 3600
_MAX_BYTES = 512
_CONTROL_BYTES = 8


@dataclass(frozen=True)
class Run:
    """One search, in a process of its own. `plant` is "", "defect" or "hang"."""

    target: str
    plant: str
    executions: int
    seed: int

    def __call__(self) -> tuple[int, str]:
        """Return how many executions there were, and what was found: "" is nothing."""
        with tempfile.TemporaryDirectory(prefix="regcred-fuzz-") as folder:
            corpus, found = Path(folder, "corpus"), Path(folder, "found")
            corpus.mkdir()
            found.mkdir()
            done = subprocess.run(
                [
                    *(sys.executable, str(FUZZER), self.target, self.plant, str(corpus)),
                    *(f"-runs={self.executions}", f"-seed={self.seed}"),
                    *(
                        f"-timeout={_HANG_SECONDS}",
                        f"-max_len={_CONTROL_BYTES if self.plant else _MAX_BYTES}",
                    ),
                    f"-artifact_prefix={found}/",
                ],
                env={**os.environ, "PYTHONHASHSEED": "0"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_MAX_SECONDS,
                check=False,
            )
            inputs = [repr(path.read_bytes()) for path in sorted(found.iterdir())]
        counted = [int(n) for n in re.findall(r"^(?:Done |#)(\d+)", done.stdout, re.MULTILINE)]
        executions = max(counted, default=0)
        if done.returncode == 0 and executions >= self.executions:
            return executions, ""
        raised = re.search(r"=== Uncaught Python exception: ===\n(\w+)", done.stdout)
        what = raised[1] if raised else "hang" if "libFuzzer: timeout" in done.stdout else "stop"
        return executions, f"{what} for {', '.join(inputs) or done.stdout[-200:]}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parsers that judge foreign text.")
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="default: all")
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    targets = given.target or TARGETS
    controls = [Run(name, "defect", _CONTROL_EXECUTIONS, given.seed) for name in targets]
    controls.append(Run(targets[-1], "hang", _CONTROL_EXECUTIONS, given.seed))
    searches = [Run(name, "", given.executions, given.seed) for name in targets]
    well = True
    with ThreadPoolExecutor(2) as pool:
        for run, (executions, found) in zip(
            [*controls, *searches], pool.map(Run.__call__, [*controls, *searches]), strict=True
        ):
            expected = {"defect": "Planted", "hang": "hang", "": ""}[run.plant]
            good = found.startswith(expected) if expected else not found
            well = well and good
            name = f"{run.target} (control: {run.plant})" if run.plant else run.target
            line = (
                f"{'ok  ' if good else 'FAIL'}  {name:28}  {executions:>11,}  {found or 'nothing'}"
            )
            print(line, flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    raise SystemExit(main())
