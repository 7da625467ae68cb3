"""The same on PostgreSQL: resolve beside the hello, create beside pgbench, and two workers.

The server is one of its own, durable (fsync and synchronous_commit on, as it comes), on loopback
and on whichever core is free: of two cores it shares one with the load.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.postgres import ADMINISTRATOR, Cluster, program, running
from tests.tools.proc import children, cpu_seconds
from tests.tools.programs import LOOPBACK, wait_for
from tests.tools.service import Service
from tools.benchmarks import resolve
from tools.benchmarks.common import CONNECTIONS, Bench, Goal, in_rounds, write_requests
from tools.benchmarks.create import count_of, create_requests

_RESOLVE = Goal(0.40, at_least=True)
_CREATE = Goal(0.6, at_least=True)
_WORKERS = Goal(1.15)
_REQUESTS = 20_000
DURABLE = ("-c", "fsync=on", "-c", "shared_buffers=256MB", "-c", "max_connections=200")

_TABLE = """
    CREATE TABLE bench (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b text, c text)
"""
_INSERT = """INSERT INTO bench (a, b, c)
VALUES ('login-of-a-usual-length', 'registry.example.com/team', 'secret-of-a-usual-length');
"""


def measure(bench: Bench) -> None:
    """Measure resolve and create with one worker, and the CPU of a resolve with one and two."""
    with running(*DURABLE) as cluster:
        resolve.compare(
            bench, installed(cluster, bench, "resolve"), " on PostgreSQL", _RESOLVE, rollout=False
        )
        _create(bench, cluster)
        _workers(bench, cluster)


def installed(cluster: Cluster, bench: Bench, name: str, **env: str) -> Service:
    """Return an installation on a database of its own."""
    cluster.make(name)
    service = Service(bench.folder / f"postgres-{name}")
    migrated = service.run("migrate", "--database", cluster.url("owner", name))
    if migrated.code != 0:
        raise RuntimeError(migrated.text)
    service.env |= {"REGCRED_DATABASE": cluster.url("app", name), **env}
    service.init()
    return service


def _create(bench: Bench, cluster: Cluster) -> None:
    cluster.run_sql(_TABLE)
    script = cluster.folder / "insert.sql"
    script.write_text(_INSERT)
    service = installed(cluster, bench, "creating")
    numbers = iter(range(1, 10**9))
    with service.serving():

        def create() -> float:
            requests = create_requests(service.key, numbers, bench.seconds)
            path = write_requests(service.folder / "create.json", requests)
            report = bench.load(service.port, path, count=count_of(bench.seconds), expected="201")
            return float(report["per_second"])

        def inserts() -> float:
            return _pgbench(cluster, script, bench.seconds)

        create()
        created, inserted = in_rounds(bench.rounds, create, inserts)
    bench.add("pgbench, single-row inserts", "/s", inserted)
    bench.add("create on PostgreSQL", "/s", created)
    bench.compare("create on PostgreSQL / pgbench's inserts", created, inserted, _CREATE)


def _pgbench(cluster: Cluster, script: Path, seconds: float) -> float:
    done = subprocess.run(
        [
            *(program("pgbench"), "-h", LOOPBACK, "-p", str(cluster.port), "-U", ADMINISTRATOR),
            *("-n", "-M", "prepared", "-c", str(CONNECTIONS), "-f", str(script)),
            *("-T", str(max(1, round(seconds))), ADMINISTRATOR),
        ],
        check=True,
        capture_output=True,
        timeout=60 + seconds,
    )
    found = re.search(rb"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout.decode())
    return float(found[1])


def _workers(bench: Bench, cluster: Cluster) -> None:
    one, two = (installed(cluster, bench, f"workers_{count}") for count in (1, 2))
    with _served(one, 1) as first, _served(two, 2) as second:
        asks = {}
        for service in (one, two):
            with service.api() as api:
                keys = resolve.fill(api, bench)
            asks[service] = write_requests(service.folder / "spread.json", resolve.mix(bench, keys))

        def cpu(service: Service, pids: list[int]) -> float:
            before = sum(map(cpu_seconds, pids))
            report = bench.load(service.port, asks[service], seconds=60, count=_REQUESTS)
            return (sum(map(cpu_seconds, pids)) - before) / float(report["answers"]) * 1e6

        cpu(one, first), cpu(two, second)
        alone, shared = in_rounds(bench.rounds, lambda: cpu(one, first), lambda: cpu(two, second))
    bench.add("CPU of a resolve, 1 worker on PostgreSQL", "us", alone)
    bench.add("CPU of a resolve, 2 workers", "us", shared)
    bench.compare("CPU of a resolve, 2 workers / 1", shared, alone, _WORKERS)


@contextmanager
def _served(service: Service, workers: int) -> Iterator[list[int]]:
    """Serve until the block ends, and yield the processes that answer."""
    with service.serving("--workers", str(workers)) as server:
        if workers == 1:
            yield [server.pid]
            return
        yield wait_for(lambda: (found := children(server.pid))[workers - 1 :] and found)
