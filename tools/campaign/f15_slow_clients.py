"""F15: clients that are slow on purpose, beside one that is honest.

500 each that send nothing, whose headers drip, whose bodies drip, and that do not read what they
asked for. The service ends each in its time, has little memory for it, and answers who is honest
as before. The control is the same server without regcred's protocol.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from tests.tools.service import Service
from tools.campaign.client import Client
from tools.campaign.echo_servers import serving, unguarded
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace
from tools.campaign.slow_clients import SlowClients, kinds

SEED = 0
"""Nothing is drawn."""

COUNT = 500
HONEST = 8
LARGE = "/v1/openapi.json"
_CONTROL = 10

_ENDS = {"idle": 15.0, "header": 15.0, "body": 15.0, "slow read": 30.0}
"""Seconds after which each kind is to be gone."""

_LATE = 6.0
"""How much later looks find it, two of them 2.5 seconds apart, on a machine that is busy."""

_SETTLE = 3.0
"""Seconds until what slow readers asked for has filled all buffers: until then they are fast."""

_MEASURE = 5.0
_ROUNDS = 2
_KIB = 1024


def run(scale: float) -> Report:
    """Hold connections of every kind at once, and see each end."""
    report = Report(
        "F15 slow clients",
        SEED,
        demands={"connections": 4 * COUNT},
        at_most={"honest p99 to alone": 1.2, "KiB of memory each": 32},
    )
    with workspace("f15") as folder:
        _against_service(folder, scaled(COUNT, scale, least=5), report)
    with serving(unguarded()) as address:
        with SlowClients(address, kinds("/")["header"], _CONTROL) as slow:
            slow.lives(_ENDS["header"] + _LATE)
            held = slow.held
        said = f"{held} of {_CONTROL} are still there after {_ENDS['header'] + _LATE:.0f} s"
        report.controls.append(Control("uvicorn alone, headers that drip", held > 0, said))
    return report


def _against_service(folder: Path, count: int, report: Report) -> None:
    service = Service(folder, log_level="error")
    service.env["REGCRED_CONNECTIONS_PER_PEER"] = str(4 * COUNT + 100)
    service.init()
    with service.serving() as daemon:
        address = ("127.0.0.1", service.port)
        asyncio.run(Client(service.port, service.key).ask("GET", LARGE))
        alone = [_p99(service) for _ in range(_ROUNDS)]
        before = _memory(daemon.pid)
        with ExitStack() as held:
            slow = {
                name: held.enter_context(SlowClients(address, kind, count))
                for name, kind in kinds(LARGE).items()
            }
            time.sleep(_SETTLE)
            beside = _p99(service)
            report.add("connections", 4 * count)
            each = (_memory(daemon.pid) - before) / (4 * count)
            for name, clients in slow.items():
                _judge(report, name, clients, count)
        again = _p99(service)
    report.counts["honest p99, ms"] = round(beside * 1000, 2)
    report.counts["honest p99 to alone"] = round(beside / statistics.mean([*alone, again]), 2)
    report.counts["KiB of memory each"] = round(each / _KIB, 1)


def _judge(report: Report, name: str, clients: SlowClients, count: int) -> None:
    within = _ENDS[name] + _LATE
    lives = clients.lives(within)
    if len(lives) < count:
        report.violations.append(f"{name}: {count - len(lives)} of {count} are still there")
    late = [life for life in lives if life > within]
    if late:
        report.violations.append(f"{name}: {len(late)} lasted up to {max(late):.1f} s")
    if lives:
        report.counts[f"{name} closed, s"] = round(max(lives), 1)


def _p99(service: Service) -> float:
    """Return the 99th percentile of what honest clients wait, in seconds."""
    return asyncio.run(_measured(service))


async def _measured(service: Service) -> float:
    waits: list[float] = []
    until = time.monotonic() + _MEASURE

    async def ask() -> None:
        client = Client(service.port, service.key)
        while time.monotonic() < until:
            began = time.perf_counter()
            await client.ask("GET", "/v1/whoami")
            waits.append(time.perf_counter() - began)
        await client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(HONEST):
            group.create_task(ask())
    return sorted(waits)[int(len(waits) * 0.99)]


def _memory(pid: int) -> int:
    """Return what a process has in memory, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096
