"""What the process itself costs: memory under load, and the time from start to ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.tools.programs import Daemon
from tools.benchmarks import resolve
from tools.benchmarks.common import SERVER_CORES, Bench, Goal, LoadFailed, in_rounds, write_requests

_REQUESTS = 1_000_000
_STEPS = 4
_SECONDS = 900.0
_POLL_SECONDS = 0.002
_STUCK_SECONDS = 60


def measure_memory(bench: Bench) -> None:
    """Measure the worker's resident memory on the way to 10^6 requests."""
    service = bench.service("memory")
    with service.serving(cores=SERVER_CORES) as server, service.api() as api:
        keys = resolve.fill(api, bench)
        requests = write_requests(bench.folder / "memory.json", resolve.mix(bench, keys))
        sizes = [_resident(server.pid)]
        for _ in range(_STEPS):
            count = _REQUESTS // _STEPS
            report = bench.load(service.port, requests, seconds=_SECONDS, count=count)
            if report["answers"] != count:
                raise LoadFailed(f"{report['answers']} answers in {_SECONDS} s")
            sizes.append(_resident(server.pid))
    start, _, half, *_, last = sizes
    bench.add("memory before load", "MiB", [start])
    bench.add("memory after 10^6 requests", "MiB", [last], Goal(110))
    bench.add("memory after 10^6 / after half of them", "ratio", [last / half], Goal(1.01))


def measure_start(bench: Bench) -> None:
    """Measure the time until the first good answer, beside a bare FastAPI application's."""
    service = bench.service("start")
    peer = bench.peer("fastapi", "fastapi")
    steps: tuple[Callable[[], float], ...] = (
        lambda: _until_ready(service.start(cores=SERVER_CORES), service.ready),
        lambda: _until_ready(peer.start(), peer.ready),
    )
    for step in steps:
        step()
    ours, theirs = in_rounds(bench.rounds, *steps)
    bench.add("start to ready", "ms", ours)
    bench.add("start of a bare FastAPI app", "ms", theirs)
    bench.compare("start / bare FastAPI app", ours, theirs, Goal(2.5))


def _until_ready(daemon: Daemon, ready: Callable[[], bool]) -> float:
    started = time.perf_counter()
    try:
        while not ready():
            if daemon.code is not None or time.perf_counter() - started > _STUCK_SECONDS:
                raise RuntimeError(f"did not start:\n{daemon.text}")
            time.sleep(_POLL_SECONDS)
        return (time.perf_counter() - started) * 1000
    finally:
        daemon.stop()


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no process {pid}")
