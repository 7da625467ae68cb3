"""What a run says: a table for people, JSON for programs, and on what it was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.tools.proc import processor
from tools.benchmarks.common import LOAD_CORES, SERVER_CORES, Bench, Figure

_WHOLE = 100
"""From here on a figure is shown without decimals."""


def machine(bench: Bench) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "server_cores": SERVER_CORES,
        "load_cores": LOAD_CORES,
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_build": "optimised (PGO)" if _profile_guided() else "without PGO",
        "sqlite": sqlite3.sqlite_version,
        "packages": {
            name: version(name) for name in ("uvicorn", "uvloop", "httptools", "starlette")
        },
        "data_on": _filesystem(bench.folder),
        "rounds": bench.rounds,
        "seconds_per_load": bench.seconds,
    }


def as_json(bench: Bench) -> dict[str, Any]:
    """Return the whole run as plain data."""
    return {
        "machine": machine(bench),
        "figures": [figure.as_json() for figure in bench.figures],
    }


def show(bench: Bench, console: Console) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE, title="medians of interleaved rounds")
    for heading in ("what", "median", "lowest", "highest", "goal", ""):
        table.add_column(heading, justify="left" if heading in {"what", ""} else "right")
    for figure in bench.figures:
        table.add_row(*row(figure))
    console.print(table)
    for name, value in machine(bench).items():
        console.print(f"  {name}: {value}", style="dim", highlight=False)


def markdown(bench: Bench) -> str:
    """Return the table as docs/benchmarks.md has it."""
    lines = ["| what | median | lowest | highest | goal | |", "|---|--:|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(row(figure)) + " |" for figure in bench.figures]
    return "\n".join(lines) + "\n"


def row(figure: Figure) -> list[str]:
    """Return one line of the table."""
    goal, met = "", ""
    if figure.goal is not None:
        goal = str(figure.goal)
        met = "met" if figure.goal.met(figure.median) else "short"
    values = (figure.median, min(figure.rounds), max(figure.rounds))
    return [figure.name, *(_number(value, figure.unit) for value in values), goal, met]


def _number(value: float, unit: str) -> str:
    if unit == "ratio":
        return f"{value:.2f}"
    return f"{value:,.0f} {unit}" if value >= _WHOLE else f"{value:.1f} {unit}"


def _profile_guided() -> bool:
    flags = " ".join(
        str(sysconfig.get_config_var(name) or "") for name in ("CONFIG_ARGS", "PGO_PROF_USE_FLAG")
    )
    return "--enable-optimizations" in flags


def _filesystem(folder: Path) -> str:
    found = subprocess.run(
        ["findmnt", "-no", "FSTYPE", "-T", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or sys.platform
