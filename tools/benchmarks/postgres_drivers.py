"""asyncpg against psycopg 3 where it matters here: `python tools/benchmarks/postgres_drivers.py`.

A micro-batched read (64 requests that wait together, one statement with JOIN LATERAL on a pinned,
prepared connection) and a batch of 64 audit rows in one transaction, in interleaved rounds, on a
PostgreSQL of its own (fsync off: the driver is measured). psycopg comes from
`pip install 'psycopg[binary]'`; it is no dependency. Prints requests a second and CPU for each.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.tools.postgres import ADMINISTRATOR, running

BATCH, ROWS, ROUNDS, SECONDS = 64, 10_000, 7, 1.0

_MAKE = f"""
    CREATE TABLE logins (key text PRIMARY KEY, name text, username text, sealed bytea, at bigint);
    INSERT INTO logins
        SELECT 'key-' || n, 'login-' || n, 'robot', decode(repeat('ab', 120), 'hex'), n
        FROM generate_series(0, {ROWS - 1}) AS n;
    CREATE TABLE trace (number bigint PRIMARY KEY, principal text, details text, mac bytea);
    ANALYZE
"""  # noqa: S608  constants alone
_READ = """
    SELECT r.n, l.* FROM unnest({}::text[]) WITH ORDINALITY AS r (key, n)
    JOIN LATERAL (SELECT * FROM logins l WHERE l.key = r.key LIMIT 4) l ON true
"""
_WRITE = """
    INSERT INTO trace SELECT * FROM unnest({}::bigint[], {}::text[], {}::text[], {}::bytea[])
"""

Act = Callable[[], Awaitable[object]]


def rows(first: int) -> list[list[object]]:
    """Return the columns of a batch of audit rows."""
    return [
        list(range(first, first + BATCH)),
        ["key:abcdefghijkl"] * BATCH,
        ['{"image":"registry.example.com/team/app","client":"docker"}'] * BATCH,
        [b"m" * 32] * BATCH,
    ]


async def with_asyncpg(url: str) -> tuple[Act, Act]:
    """Return a batch of reads and a batch of writes."""
    connection = await asyncpg.connect(url)
    read = await connection.prepare(_READ.format("$1"))
    write = await connection.prepare(_WRITE.format("$1", "$2", "$3", "$4"))
    keys = [f"key-{n * 97 % ROWS}" for n in range(BATCH)]
    first = 0

    async def writes() -> None:
        nonlocal first
        first += BATCH
        await connection.execute("BEGIN")
        await write.fetch(*rows(first))
        await connection.execute("COMMIT")

    return lambda: read.fetch(keys), writes


async def with_psycopg(url: str) -> tuple[Act, Act]:
    """Likewise."""
    import psycopg  # noqa: PLC0415  no dependency

    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    connection.prepare_threshold = 0
    cursor = connection.cursor(binary=True)
    keys = [f"key-{n * 97 % ROWS}" for n in range(BATCH)]
    first = 10**9

    async def reads() -> Sequence[object]:
        await cursor.execute(_READ.format("%s"), [keys])
        rows: Sequence[object] = await cursor.fetchall()
        return rows

    async def writes() -> None:
        nonlocal first
        first += BATCH
        async with connection.pipeline():
            await cursor.execute("BEGIN")
            await cursor.execute(_WRITE.format("%s", "%s", "%s", "%s"), rows(first))
            await cursor.execute("COMMIT")

    return reads, writes


async def rate(act: Act) -> tuple[float, float]:
    """Return requests a second, and this process's microseconds of CPU for each."""
    done, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < SECONDS:
        await act()
        done += BATCH
    took = time.perf_counter() - began
    return done / took, (time.process_time() - cpu) / done * 1e6


async def measure(url: str) -> None:
    """Print a line for each driver and shape."""
    drivers = {"asyncpg": await with_asyncpg(url), "psycopg 3": await with_psycopg(url)}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for name, acts in drivers.items():
            for shape, act in zip(("read", "write"), acts, strict=True):
                found.setdefault((shape, name), []).append(await rate(act))
    for (shape, name), figures in sorted(found.items()):
        per_second, cpu = (statistics.median(values) for values in zip(*figures, strict=True))
        print(f"{shape:6}{name:10}{per_second:>10,.0f}/s{cpu:>8.1f} us")


if __name__ == "__main__":
    with running() as cluster:
        cluster.run_sql(_MAKE)
        uvloop.run(measure(cluster.url(ADMINISTRATOR)))
