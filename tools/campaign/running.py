"""Run modules one after the other: each within its time, a crash of one being its own failure."""

from __future__ import annotations

import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import structlog

from tools.campaign.report import Report

Run = Callable[[float], Report]
"""Takes the scale (1 is what a release demands) and does everything."""


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of the campaign. `seconds` bounds it at scale 1; it gets a tenth at least."""

    name: str
    run: Run
    seconds: float


class OutOfTime(BaseException):
    """A module took longer than it may. No `except Exception` on the way holds it up."""


def run_module(module: Module, scale: float) -> Report:
    """Run one module; a report of one that did not come to an end holds a violation."""
    began = time.monotonic()
    try:
        with _within(module.seconds * max(scale, 0.1)), _unlogged():
            report = module.run(scale)
    except OutOfTime:
        report = Report(module.name, 0, violations=["it did not end in its time"])
    except Exception:  # noqa: BLE001  the other modules still run, and this one has failed
        report = Report(module.name, 0, violations=[traceback.format_exc(limit=-4)])
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def workspace(name: str, *, below: Path | None = None) -> Iterator[Path]:
    """Yield a folder that is gone afterwards; `below` names another disk than the usual one."""
    with tempfile.TemporaryDirectory(prefix=f"regcred-{name}-", dir=below) as folder:
        yield Path(folder)


def memory() -> Path | None:
    """Return a folder in memory for images that live for milliseconds, None where there is none."""
    shared = Path("/dev/shm")  # noqa: S108  only ever holds folders made by tempfile
    return shared if shared.is_dir() else None


def scaled(count: int, scale: float, *, least: int = 1) -> int:
    """Return a count at this scale."""
    return max(least, round(count * scale))


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Leave out what services in this process log, for whoever does not capture it.

    Nothing configures their log here, so each request's line would stand between the reports.
    """
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[_left_out])
    try:
        yield
    finally:
        structlog.configure(processors=before)


def _left_out(*_: object) -> NoReturn:
    raise structlog.DropEvent
