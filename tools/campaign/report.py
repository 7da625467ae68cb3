"""What a module reports, and how a run looks to people and to programs."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.tools.proc import processor

_SHOWN = 20
"""Violations that are printed; the JSON has up to _KEPT of them."""

_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Control:
    """A broken build that the same search was run against: it must be caught."""

    what: str
    caught: bool
    found: str = ""


@dataclass(slots=True)
class Report:
    """What one module did and saw. It is good without violations and with every control caught."""

    name: str
    seed: int
    counts: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    demands: Mapping[str, float] = field(default_factory=dict)
    """At least so many of a count at scale 1; `at_most` holds those that must stay below."""

    at_most: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing was seen that may not be, by a search that sees it when it is there."""
        return not self.violations and bool(self.controls) and all(c.caught for c in self.controls)

    @property
    def short(self) -> list[str]:
        """Return the counts that are not what a release demands: a small scale has some."""
        low = [name for name, least in self.demands.items() if self.counts.get(name, 0) < least]
        high = [name for name, most in self.at_most.items() if self.counts.get(name, 0) > most]
        return low + high

    def add(self, name: str, more: float = 1) -> None:
        """Count."""
        self.counts[name] = self.counts.get(name, 0) + more

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {
            "name": self.name,
            "seed": self.seed,
            "good": self.good,
            "seconds": round(self.seconds, 1),
            "counts": self.counts,
            "short_of_release": self.short,
            "violations": self.violations[:_KEPT],
            "violation_count": len(self.violations),
            "controls": [
                {"what": one.what, "caught": one.caught, "found": one.found}
                for one in self.controls
            ],
        }


def machine() -> dict[str, Any]:
    """Return what counts and times depend on."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
    }


def show(reports: Sequence[Report], console: Console) -> None:
    """Print the table, and the first violations in full."""
    table = Table(box=box.SIMPLE)
    for heading in ("what", "counted", "violations", "controls", "s", ""):
        table.add_column(heading, justify="right" if heading in {"violations", "s"} else "left")
    for one in reports:
        counted = ", ".join(f"{number(value)} {name}" for name, value in one.counts.items())
        controls = "\n".join(
            f"{'caught' if c.caught else 'NOT CAUGHT'}: {c.what}" for c in one.controls
        )
        table.add_row(
            f"{one.name} (seed {one.seed})",
            counted,
            f"{len(one.violations):,}",
            controls or "NONE RUN",
            f"{one.seconds:,.0f}",
            "ok" if one.good else "FAIL",
        )
    console.print(table)
    for one in reports:
        if one.short:
            console.print(f"{one.name}: below a release's count: {', '.join(one.short)}")
        for violation in one.violations[:_SHOWN]:
            console.print(f"{one.name}: {violation}", markup=False, highlight=False)


def markdown(reports: Iterable[Report]) -> str:
    """Return the table as docs/reliability.md has it."""
    lines = ["| what | counted | violations | controls |", "|---|---|--:|---|"]
    for one in reports:
        counted = ", ".join(f"{number(value)} {name}" for name, value in one.counts.items())
        controls = "; ".join(
            f"{c.what}: {c.found or 'caught'}" if c.caught else f"{c.what}: NOT CAUGHT"
            for c in one.controls
        )
        lines.append(f"| {one.name} | {counted} | {len(one.violations):,} | {controls} |")
    return "\n".join(lines) + "\n"


def write_json(path: Path, reports: Sequence[Report], scale: float) -> None:
    """Keep the run for programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "scale": scale,
        "machine": machine(),
        "good": all(one.good for one in reports),
        "reports": [one.as_json() for one in reports],
    }
    path.write_text(json.dumps(found, indent=2) + "\n")


def number(value: float) -> str:
    """Return a count as people read it: whole, or with two decimals."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
