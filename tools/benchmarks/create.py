"""create, whole, against bare inserts of the same row through the store's own writer."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import (
    CONNECTIONS,
    HERE,
    SERVER_CORES,
    Bench,
    Goal,
    in_rounds,
    request,
    write_requests,
)

from tests.tools.programs import Daemon, environment

_PATH = "/v1/projects/-/credentials"
_PER_SECOND = 20_000
"""More creates than a second can take: a round's requests must not run out."""

_STUCK_SECONDS = 60


def measure(bench: Bench) -> None:
    """Measure creates over HTTP and the limit that group commit sets."""
    service = bench.service("create")
    with service.serving(cores=SERVER_CORES), service.api() as api:
        api.add("template", "registry.example.com/team", "user", "secret-of-a-usual-length")
    bare = _copy_of(service.data / "store", bench.folder / "bare")
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

        def limit() -> float:
            return _bare_inserts(bench, bare)

        create()
        p99.clear()
        created, inserted = in_rounds(bench.rounds, create, limit)
    bench.add("bare inserts through the writer", "/s", inserted)
    bench.add("create", "/s", created)
    bench.add("create: p99", "ms", p99)
    bench.compare("create / bare inserts", created, inserted, Goal(0.25, at_least=True))


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


def _copy_of(store: Path, to: Path) -> Path:
    """Copy a stopped service's store and return the database in the copy."""
    shutil.copytree(store, to)
    (database,) = to.glob("*.db")
    return database


def _bare_inserts(bench: Bench, database: Path) -> float:
    logs = bench.folder / "bare-logs"
    (logs / "bare.out").unlink(missing_ok=True)
    daemon = Daemon(
        [
            *(sys.executable, str(HERE / "bare_inserts.py"), str(database)),
            *(str(CONNECTIONS), str(bench.seconds)),
        ],
        env=environment(bench.folder / "bare-home"),
        logs=logs,
        name="bare",
        cores=SERVER_CORES,
    )
    try:
        if daemon.wait(bench.seconds + _STUCK_SECONDS) != 0:
            raise RuntimeError(daemon.text)
    finally:
        daemon.stop()
    rate: float = json.loads(daemon.out.read_text())["per_second"]
    return rate
