"""Measure regcred's speed as ratios in one run: a table for people, JSON in build/bench.json.

    make bench      (or: python tools/bench.py [WHAT …] [--rounds N] [--seconds S] [--json FILE])

Every figure is the median of interleaved rounds: within one round the thing and what it is
compared with run one after the other, so that a slow minute of the machine meets both. Servers run
on one core and the load comes from another. All of it is on loopback and bounded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.benchmarks import (
    create,
    faces,
    footprint,
    growth,
    helper,
    openbao,
    postgres,
    renew,
    report,
    resolve,
    rollout,
    rotation,
    verify,
)
from tools.benchmarks.common import Bench

ROOT = Path(__file__).resolve().parents[1]
MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    "resolve": resolve.measure,
    "create": create.measure,
    "openbao": openbao.measure,
    "faces": faces.measure,
    "pages": faces.measure_pages,
    "postgres": postgres.measure,
    "growth": growth.measure,
    "rotation": rotation.measure,
    "verify": verify.measure,
    "helper": helper.measure,
    "renew": renew.measure,
    "rollout": rollout.measure,
    "memory": footprint.measure_memory,
    "start": footprint.measure_start,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure regcred's speed as ratios in one run.")
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], help="default: everything")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load in a round")
    parser.add_argument("--credentials", type=int, default=1_000)
    parser.add_argument("--keys", type=int, default=64)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--markdown", action="store_true", help="print the table for the docs")
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="regcred-bench-") as folder:
        bench = Bench(Path(folder), given.rounds, given.seconds, given.credentials, given.keys)
        for name in given.what or MEASUREMENTS:
            console.print(f"measuring {name} …", style="dim")
            MEASUREMENTS[name](bench)
        report.show(bench, console)
        if given.markdown:
            sys.stdout.write(report.markdown(bench))
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report.as_json(bench), indent=2) + "\n")
    console.print(f"written to {given.json}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
