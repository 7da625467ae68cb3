"""A load generator that is lighter than the servers it asks.

Run as a program of its own (`load.py SPEC.json`, on another core than the server): as many
connections as told, one request under way on each, every request's bytes made beforehand. With a
rate, requests are due at even distances, and an answer's time counts from when its request was
due: a server that stands still is not spared the requests of that time. Bounded in count and in
time, and it only ever connects to loopback. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

LOOPBACK = "127.0.0.1"
_STUCK_SECONDS = 15


@dataclass
class Run:
    """What all connections share: the requests, the bounds, and what was measured."""

    port: int
    connections: int
    requests: list[bytes]
    seconds: float
    count: int
    rate: float | None = None
    """Requests a second; None: as fast as answers come."""

    started: float = 0.0
    deadline: float = 0.0
    sent: int = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def next(self) -> bytes | None:
        """Return the next request, None when the run is over."""
        if self.sent >= self.count or time.perf_counter() >= self.deadline:
            return None
        self.sent += 1
        return self.requests[(self.sent - 1) % len(self.requests)]


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, run: Run, over: asyncio.Future[None]) -> None:
        self._run = run
        self._over = over
        self._rest = b""
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP has both ways
        self._ask()

    def _ask(self) -> None:
        """Take the next request, and send it when it is due."""
        run = self._run
        slot = run.started + run.sent / run.rate if run.rate else time.perf_counter()
        request = run.next()
        if request is None:
            self._transport.close()
            return
        self._started = slot
        pause = slot - time.perf_counter()
        if pause > 0:
            asyncio.get_running_loop().call_later(pause, self._send, request)
        else:
            self._send(request)

    def _send(self, request: bytes) -> None:
        self._waiting = True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _length(data, end):
            self._rest = data
            return
        self._run.latencies.append(time.perf_counter() - self._started)
        self._run.statuses[data[9:12].decode()] += 1
        self._rest = b""
        self._waiting = False
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost += self._waiting
        if not self._over.done():
            self._over.set_result(None)


def _length(data: bytes, end: int) -> int:
    at = data.find(b"ontent-length: ", 0, end)
    if at < 0:
        at = data.find(b"ontent-Length: ", 0, end)  # as Go writes it
    if at < 0:
        return 0
    return int(data[at + 15 : data.find(b"\r", at)])


async def measure(run: Run) -> dict[str, Any]:
    """Run the load and return what it met."""
    loop = asyncio.get_running_loop()
    started = run.started = time.perf_counter()
    run.deadline = started + run.seconds
    overs: list[asyncio.Future[None]] = []
    for _ in range(run.connections):
        over = loop.create_future()
        overs.append(over)
        await loop.create_connection(lambda over=over: Connection(run, over), LOOPBACK, run.port)  # type: ignore[misc]  # bound now
    await asyncio.wait_for(asyncio.gather(*overs), run.seconds + _STUCK_SECONDS)
    wall = time.perf_counter() - started
    ordered = sorted(run.latencies)
    return {
        "answers": len(ordered),
        "seconds": round(wall, 4),
        "per_second": round(len(ordered) / wall, 1),
        "p50_ms": _percentile(ordered, 0.50),
        "p99_ms": _percentile(ordered, 0.99),
        "statuses": dict(run.statuses),
        "lost": run.lost,
    }


def _percentile(ordered: list[float], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 4)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_bytes())
    run = Run(
        spec["port"],
        spec["connections"],
        [text.encode("latin-1") for text in spec["requests"]],
        spec["seconds"],
        spec["count"],
        spec.get("rate"),
    )
    gc.disable()
    print(json.dumps(uvloop.run(measure(run))))


if __name__ == "__main__":
    main()
