"""Keys change under a steady load of reads: every seed wrapped anew, a large project sealed anew.

The store holds 10,000 projects besides the one of 100,000 logins. 500 reads a second come at even
distances, each for a login of one of 64 projects; a read that fails ends the measurement. What is
compared is their p99 while `regcred keys` works beside the service, slice by slice, with that of
before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from regcred.domain.access import Role
from tests.tools.programs import Daemon, regcred
from tests.tools.service import Service
from tools.benchmarks.common import SERVER_CORES, Bench, Goal, request, write_requests
from tools.benchmarks.faces import Project, seeded

_PROJECTS, _READ, _LARGE = 10_000, 64, 100_000
_RATE = 500
_SLICE = 3.0
"""Seconds of load at a time: what is measured ends soon after the command has."""

_IMAGE = "registry.example.com/team/app:v1"
_STEADY = Goal(1.5)
_NONE = Goal(0)


def measure(bench: Bench) -> None:
    """Measure reads alone, while seeds are wrapped anew, and while a project is sealed anew."""
    service = bench.service("rotation")
    sizes = {f"read-{n}": 1 for n in range(_READ)} | {"large": _LARGE}
    sizes |= {f"idle-{n}": 0 for n in range(_PROJECTS - len(sizes))}
    projects = asyncio.run(seeded(service, sizes, Role.PULLER, opened=True))
    read, large = projects[:_READ], projects[_READ]
    with service.serving(cores=SERVER_CORES):
        asks = write_requests(bench.folder / "reads.json", _requests(read))
        _during(bench, service, asks, lambda: True)
        before = [p99 for _ in range(bench.rounds) for p99 in _slice(bench, service, asks)]
        wrapping: list[float] = []
        seconds: list[float] = []
        for _ in range(bench.rounds):
            rotated = service.run("keys", "rotate", "--data", str(service.data))
            if rotated.code != 0:
                raise RuntimeError(rotated.text)
            wrapping += _beside(bench, service, asks, seconds, "rewrap")
        sealing = _beside(bench, service, asks, [], "reseal", str(large.number))
    quiet = sorted(before)[len(before) // 2]
    bench.add(f"{_RATE} reads a second: p99", "ms", before)
    bench.add(f"wrapping {_PROJECTS:,} seeds anew", "s", seconds)
    bench.add("p99 of reads while seeds are wrapped anew", "ms", wrapping)
    bench.add("wrapping / before", "ratio", [one / quiet for one in wrapping], _STEADY)
    bench.add(f"p99 of reads while {_LARGE:,} logins are sealed anew", "ms", sealing)
    bench.add("sealing / before", "ratio", [one / quiet for one in sealing], _STEADY)
    # A read that fails raises LoadFailed: with a figure there is none.
    bench.add("reads that failed meanwhile", "", [0], _NONE)


def _requests(projects: Sequence[Project]) -> list[bytes]:
    path = "/v1/projects/-/resolve"
    return [request(path, project.key, {"image": _IMAGE}) for project in projects]


def _slice(bench: Bench, service: Service, asks: Path) -> list[float]:
    report = bench.load(service.port, asks, seconds=_SLICE, connections=16, rate=_RATE)
    return [report["p99_ms"]]


def _during(bench: Bench, service: Service, asks: Path, over: Callable[[], bool]) -> list[float]:
    """Read until it is over, and return the p99 of each slice."""
    found = _slice(bench, service, asks)
    while not over():
        found += _slice(bench, service, asks)
    return found


def _beside(
    bench: Bench, service: Service, asks: Path, seconds: list[float], *words: str
) -> list[float]:
    """Run `regcred keys …` beside the reads and return each slice's p99."""
    began = time.perf_counter()
    working = Daemon(
        [*regcred(), "keys", *words, "--data", str(service.data)],
        env=service.env,
        logs=service.logs,
        name="keys",
    )
    try:
        found = _during(bench, service, asks, lambda: working.code is not None)
        if working.code != 0:
            raise RuntimeError(working.text)
    finally:
        working.stop()
    seconds.append(time.perf_counter() - began)
    return found
