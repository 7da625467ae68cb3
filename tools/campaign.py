"""Try to make regcred lose, leak or mix up something, with counts, seeds and controls.

    make campaign      (or: python tools/campaign.py [NAME …] [--scale S] [--json FILE])

Prints a table and writes build/campaign.json. Exits with 1 on any violation, and on any control
that was not caught: a search that misses a planted loss proves nothing. docs/reliability.md says
what each module proves and what it does not.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.campaign.modules import MODULES
from tools.campaign.report import markdown, show, write_json
from tools.campaign.running import run_module

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Try to make regcred lose or leak something.")
    parser.add_argument("what", nargs="*", choices=[*MODULES, []], help="default: everything")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is what a release demands")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "campaign.json")
    parser.add_argument("--markdown", action="store_true", help="print the table for the docs")
    given = parser.parse_args()
    console = Console()
    # So that a polite end stops what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    reports = []
    for name in given.what or MODULES:
        console.print(f"{name} …", style="dim")
        reports.append(run_module(MODULES[name], given.scale))
        write_json(given.json, reports, given.scale)
    show(reports, console)
    if given.markdown:
        sys.stdout.write(markdown(reports))
    console.print(f"written to {given.json}", style="dim")
    return 0 if all(report.good for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
