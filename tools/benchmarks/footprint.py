"""What the process itself costs: memory under load, and the time from start to ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import resolve
from benchmarks.common import SERVER_CORES, Bench, Goal, LoadFailed, in_rounds, write_requests

from tests.tools.programs import Daemon

_REQUESTS = 100_000
_SECONDS = 120.0
_POLL_SECONDS = 0.002
_STUCK_SECONDS = 60


def measure_memory(bench: Bench) -> None:
    """Measure the worker's resident memory after 10^5 requests, and twice again."""
    service = bench.service("memory")
    with service.serving(cores=SERVER_CORES) as server, service.api() as api:
        keys = resolve.fill(api, bench)
        requests = write_requests(bench.folder / "memory.json", resolve.mix(bench, keys))
        sizes = [_resident(server.pid)]
        for _ in range(3):
            report = bench.load(service.port, requests, seconds=_SECONDS, count=_REQUESTS)
            if report["answers"] != _REQUESTS:
                raise LoadFailed(f"{report['answers']} answers in {_SECONDS} s")
            sizes.append(_resident(server.pid))
    start, first, *_, last = sizes
    bench.add("memory before load", "MiB", [start])
    bench.add("memory after 10^5 requests", "MiB", [first], Goal(90))
    bench.add("memory after 3 x 10^5 / after 10^5", "ratio", [last / first], Goal(1.05))


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
