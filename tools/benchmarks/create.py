"""create, whole, against commits of one small row each on the same SQLite."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from tests.tools.programs import Daemon, environment
from tools.benchmarks.common import (
    HERE,
    SERVER_CORES,
    Bench,
    Goal,
    in_rounds,
    request,
    write_requests,
)

_PATH = "/v1/projects/-/credentials"
_PER_SECOND = 20_000
"""More creates than a second can take: a round's requests must not run out."""

_STUCK_SECONDS = 60


def measure(bench: Bench) -> None:
    """Measure creates over HTTP, and durable commits of a thread that does nothing else."""
    service = bench.service("create")
    numbers = iter(range(1, 10**9))
    with service.serving(cores=SERVER_CORES):
        p99: list[float] = []

        def create() -> float:
            requests = write_requests(
                bench.folder / "create.json", create_requests(service.key, numbers, bench.seconds)
            )
            report = bench.load(
                service.port, requests, count=count_of(bench.seconds), expected="201"
            )
            p99.append(report["p99_ms"])
            rate: float = report["per_second"]
            return rate

        create()
        p99.clear()
        created, committed = in_rounds(bench.rounds, create, lambda: _durable_rows(bench))
    bench.add("durable commits of one row each", "/s", committed)
    bench.add("create", "/s", created)
    bench.add("create: p99", "ms", p99)
    bench.compare("create / one-row commits", created, committed, Goal(1.2, at_least=True))


def count_of(seconds: float) -> int:
    return int(_PER_SECOND * seconds)


def create_requests(key: str, numbers: Iterator[int], seconds: float) -> list[bytes]:
    return [
        request(
            _PATH,
            key,
            {
                "name": f"login-{next(numbers)}",
                "registry_url": "registry.example.com/team",
                "username": "user",
                "password": "secret-of-a-usual-length",
            },
        )
        for _ in range(count_of(seconds))
    ]


def _durable_rows(bench: Bench) -> float:
    logs = bench.folder / "rows-logs"
    (logs / "rows.out").unlink(missing_ok=True)
    daemon = Daemon(
        [
            *(sys.executable, str(HERE / "durable_rows.py"), str(bench.folder / "rows.db")),
            str(bench.seconds),
        ],
        env=environment(bench.folder / "rows-home"),
        logs=logs,
        name="rows",
        cores=SERVER_CORES,
    )
    try:
        if daemon.wait(bench.seconds + _STUCK_SECONDS) != 0:
            raise RuntimeError(daemon.text)
    finally:
        daemon.stop()
    rate: float = json.loads(daemon.out.read_text())["per_second"]
    return rate
