"""What the measurements share: cores, rounds, the load generator, and how a result looks."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.tools.programs import Daemon, environment, free_port, http_status
from tests.tools.service import Service

CONNECTIONS = 64
HERE = Path(__file__).parent

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = _CORES[:1]
"""Where every measured server runs: one worker is one core."""

LOAD_CORES = _CORES[1:2] or _CORES
"""Where the load comes from; on one core alone figures mean little, and the report says so."""


class LoadFailed(Exception):
    """Requests of a measurement were refused or lost: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit for one figure."""

    limit: float
    at_least: bool = False

    def met(self, figure: float) -> bool:
        """Whether the figure keeps the limit."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(slots=True)
class Figure:
    """One measured thing: a value for each round, and perhaps a goal."""

    name: str
    unit: str
    rounds: list[float]
    goal: Goal | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Return the middle of the rounds."""
        return statistics.median(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        found: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 4),
            "rounds": [round(value, 4) for value in self.rounds],
        }
        if self.goal is not None:
            found |= {"goal": str(self.goal), "met": self.goal.met(self.median)}
        if self.note:
            found["note"] = self.note
        return found


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks: where it works and how much it does."""

    folder: Path
    rounds: int
    seconds: float
    """How long each load of a round lasts."""

    credentials: int
    keys: int
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        unit: str,
        rounds: Sequence[float],
        goal: Goal | None = None,
        note: str = "",
    ) -> None:
        """Keep a result."""
        self.figures.append(Figure(name, unit, list(rounds), goal, note))

    def compare(
        self, name: str, ours: Sequence[float], theirs: Sequence[float], goal: Goal
    ) -> None:
        """Keep the ratio of two things measured in the same rounds."""
        self.add(name, "ratio", [a / b for a, b in zip(ours, theirs, strict=True)], goal)

    def service(self, name: str, **settings: str) -> Service:
        """Make a fresh installation; `settings` go into its environment."""
        made = Service(self.folder / name)
        made.env |= settings
        made.init()
        return made

    def peer(self, kind: str, name: str, answer: Mapping[str, Any] | None = None) -> Peer:
        """Return a server to compare with, not started."""
        return Peer(kind, self.folder / name, answer or {})

    def load(
        self,
        port: int,
        requests: Path,
        *,
        seconds: float | None = None,
        count: int = 10**9,
        connections: int = CONNECTIONS,
        expected: str = "200",
        rate: float | None = None,
    ) -> dict[str, Any]:
        """Send prepared requests and return the generator's report. Raise LoadFailed.

        `rate` are requests a second; without it the next follows as soon as one is answered.
        """
        spec = json.loads(requests.read_bytes())
        spec |= {
            "port": port,
            "connections": connections,
            "seconds": seconds or self.seconds,
            "count": count,
            "rate": rate,
        }
        path = requests.with_suffix(".run.json")
        path.write_text(json.dumps(spec))
        limit = spec["seconds"] + 60
        done = subprocess.run(
            [sys.executable, "-E", str(HERE / "load.py"), str(path)],
            capture_output=True,
            timeout=limit,
            check=False,
            preexec_fn=_on_load_cores,
        )
        if done.returncode != 0:
            raise LoadFailed(done.stderr.decode(errors="replace"))
        report: dict[str, Any] = json.loads(done.stdout)
        if set(report["statuses"]) != {expected} or report["lost"]:
            raise LoadFailed(f"{report['statuses']}, {report['lost']} lost")
        return report


class Peer:
    """A server of `peers.py`."""

    def __init__(self, kind: str, folder: Path, answer: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.kind = kind
        self.folder = folder
        self.port = free_port()
        self._answer = folder / "answer.json"
        self._answer.write_text(json.dumps(answer))

    def start(self) -> Daemon:
        """Start it and return at once."""
        return Daemon(
            [sys.executable, str(HERE / "peers.py"), self.kind, str(self.port), str(self._answer)],
            env=environment(self.folder),
            logs=self.folder / "logs",
            name=self.kind,
            cores=SERVER_CORES,
        )

    def ready(self) -> bool:
        """Whether it answers."""
        return http_status(self.port, "/readyz") == HTTPStatus.OK


def write_requests(path: Path, requests: Sequence[bytes]) -> Path:
    """Keep prepared requests for the load generator."""
    path.write_text(json.dumps({"requests": [one.decode("latin-1") for one in requests]}))
    return path


def request(
    path: str,
    key: str,
    body: object,
    *,
    method: str = "POST",
    header: tuple[str, str] = ("Authorization", "Bearer "),
) -> bytes:
    """Return the bytes of one request as a lean client sends it; None is no body.

    `header` carries the key: its name, and what stands before the key.
    """
    name, before = header
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{name}: {before}{key}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    content = json.dumps(body, separators=(",", ":")).encode()
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def in_rounds(rounds: int, *steps: Callable[[], float]) -> list[list[float]]:
    """Do every step once a round, so that a slow minute of the machine meets them all."""
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, into in zip(steps, taken, strict=True):
            into.append(step())
    return taken


def _on_load_cores() -> None:
    os.sched_setaffinity(0, LOAD_CORES)
