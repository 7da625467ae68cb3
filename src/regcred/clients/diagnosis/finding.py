"""One thing that was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Level(StrEnum):
    """How much it matters."""

    ok = "ok"
    note = "note"
    """Works, and may surprise."""

    fault = "fault"
    """Something does not work, or not as it was meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in one area."""

    area: str
    level: Level
    what: str
    fix: str = ""
    """A command, or what to do where no command does it."""


def ok(area: str, what: str) -> Finding:
    """Return that something works."""
    return Finding(area, Level.ok, what)


def note(area: str, what: str, fix: str = "") -> Finding:
    """Return something that may surprise."""
    return Finding(area, Level.note, what, fix)


def fault(area: str, what: str, fix: str = "") -> Finding:
    """Return something that is wrong."""
    return Finding(area, Level.fault, what, fix)


def grouped(told: Iterable[tuple[str, list[Finding]]]) -> list[Finding]:
    """Return the clients' findings, those who have the same ones under one area.

    `told` is (client, findings); a finding's area is what stands before the clients' names.
    """
    groups: dict[tuple[Finding, ...], list[str]] = {}
    for name, findings in told:
        groups.setdefault(tuple(findings), []).append(name)
    return [
        replace(one, area=f"{one.area} {', '.join(names)}".strip())
        for findings, names in groups.items()
        for one in findings
    ]
