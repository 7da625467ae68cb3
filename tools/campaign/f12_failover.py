"""F12: PostgreSQL crashes, loses its connections, and fails over, under clients that go on.

Two workers of the real service are written to and read from all the time. The database is restarted
in immediate mode, every connection of the service is terminated, the primary is killed and its
synchronous standby promoted. Clients keep what was acknowledged; a create that is refused is
repeated with its Idempotency-Key until it is answered, and of whatever else was refused the
audit tells whether it happened. The service itself is never restarted.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import asyncpg

from tests.tools import postgres
from tests.tools.postgres import Cluster
from tests.tools.programs import Daemon, wait_for
from tools.campaign.client import Broken, Client
from tools.campaign.looking import Looking
from tools.campaign.on_postgres import WORKERS, OnDatabase
from tools.campaign.pair import DURABLE, Pair, paired
from tools.campaign.patient import PATIENCE, PAUSE, Patient
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace
from tools.campaign.story import Act, Actor, Unexpected

SEED = 20261206
EVENTS = 20
CLIENTS = 6
RECOVERED = 5.0
"""Seconds from when the database is back until every client has something acknowledged."""

_LOAD = (0.2, 0.8)
"""Seconds of work before each event."""

_CARELESS = ("-c", "synchronous_commit=off")
_CONNECTIONS = 10
"""Of one worker."""

_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'regcred'"
)
_LEFT_OPEN = """
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'regcred'
        AND (state IS DISTINCT FROM 'idle') AND state_change < now() - interval '1 s'
"""
_CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'regcred'"
_TWICE = """
    SELECT name FROM api_keys GROUP BY name HAVING count(*) > 1
    UNION ALL SELECT name FROM credentials GROUP BY name HAVING count(*) > 1
    UNION ALL SELECT request_id FROM audit_events
        WHERE action IN ('credential.created', 'key.created')
        GROUP BY request_id HAVING count(*) > 1
"""
_AUDITED = "SELECT 1 FROM audit_events WHERE request_id = ? LIMIT 1"
_ALL_AUDITED = "SELECT request_id FROM audit_events"
_GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError,
         asyncpg.InternalClientError)  # fmt: skip


def run(scale: float) -> Report:
    """Restart, terminate and fail over, and lose the word of a database that commits too late."""
    report = Report(
        "F12 PostgreSQL crashes and fails over",
        SEED,
        demands={"events": EVENTS, "failovers": EVENTS // 3},
        at_most={"s to recover, most": RECOVERED},
    )
    events = scaled(EVENTS, scale, least=2)
    failovers = events // 3
    with postgres.running(*DURABLE) as cluster, workspace("f12") as folder:
        asyncio.run(_alone(folder, cluster, events - failovers, report))
    if failovers:
        with paired() as pair, workspace("f12-pair") as folder:
            asyncio.run(_in_a_pair(folder, pair, failovers, report))
    return report


async def _alone(folder: Path, cluster: Cluster, events: int, report: Report) -> None:
    async with _Run(OnDatabase(folder / "one", cluster), report) as run:
        for number in range(events):
            if number % 2:
                await run.event("terminations", lambda: cluster.run_sql(_TERMINATE))
            else:
                await run.event("restarts", lambda: _crash(cluster))
        await run.finish()
        cluster.stop()
        await asyncio.to_thread(cluster.start, *_CARELESS)
        lost = await run.control(lambda: _hold(cluster, "walwriter"), lambda: _lose(cluster))
    report.controls.append(
        Control("synchronous_commit=off, and a crash", lost > 0, f"{lost} lost in 1 restart")
    )


async def _in_a_pair(folder: Path, pair: Pair, events: int, report: Report) -> None:
    installation = OnDatabase(folder / "two", pair.primary, pair.standby)
    async with _Run(installation, report) as run:
        for _ in range(events):
            await run.event("failovers", pair.fail_over)
            await asyncio.to_thread(pair.rebuild)
        await run.finish()
        lost = await run.control(pair.hold_standby, pair.fail_over)
    report.controls.append(
        Control(
            "an asynchronous standby that is behind promoted",
            lost > 0,
            f"{lost} lost in 1 failover",
        )
    )


def _crash(cluster: Cluster) -> None:
    cluster.stop(signal.SIGQUIT)
    cluster.start()


def _hold(cluster: Cluster, process: str) -> None:
    for number in cluster.processes(process):
        os.kill(number, signal.SIGSTOP)


def _lose(cluster: Cluster) -> None:
    cluster.kill()
    cluster.start(*_CARELESS)


class _Run:
    """The service, its clients, and what they go through."""

    def __init__(self, installation: OnDatabase, report: Report) -> None:
        self._installation = installation
        self._report = report
        self._random = random.Random(SEED)
        self._refused: Counter[str] = Counter()
        self._actors = [
            Actor(f"c{n}", self._client(), f"{SEED} {n}", most=50) for n in range(CLIENTS)
        ]
        self._acknowledged = dict.fromkeys((actor.name for actor in self._actors), 0.0)
        """When each client had its newest answer."""

        self._wrong: list[str] = []
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._daemon: Daemon | None = None
        self._workers: list[int] = []

    async def __aenter__(self) -> Self:
        self._daemon = self._installation.start()
        await self._installation.ready()
        daemon = self._daemon
        await asyncio.to_thread(
            wait_for, lambda: len(self._installation.workers(daemon)) == WORKERS
        )
        self._workers = self._installation.workers(daemon)
        self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pause()
        assert self._daemon is not None  # noqa: S101  it was entered
        await asyncio.to_thread(self._daemon.stop)

    async def event(self, kind: str, act: Callable[[], object]) -> None:
        """Have it happen under load, and wait until everybody is served again."""
        await asyncio.sleep(self._random.uniform(*_LOAD))
        await asyncio.to_thread(act)
        back = time.monotonic()
        took = await self._recovered(back)
        self._report.add("events")
        self._report.add(kind)
        slowest = self._report.counts.get("s to recover, most", 0)
        self._report.counts["s to recover, most"] = max(slowest, round(took, 2))
        if took > RECOVERED:
            self._wrong.append(f"{kind}: served again after {took:.1f} s")
        self._wrong += await self._lost()

    async def control(self, before: Callable[[], object], act: Callable[[], object]) -> int:
        """Do as in an event, with a database that may lose; return how much that was seen in."""
        self._begin()
        await asyncio.to_thread(before)
        await asyncio.sleep(_LOAD[1])
        await asyncio.to_thread(act)
        await self._pause()
        return len(await self._lost())

    async def finish(self) -> None:
        """Let the clients end, and compare everything there is."""
        await self._pause()
        report, installation = self._report, self._installation
        acts = {actor.name: actor.acknowledged for actor in self._actors}
        report.add("acknowledged", sum(map(len, acts.values())))
        for name, count in self._refused.items():
            report.add(name, count)
        looking = Looking(installation)
        await looking.look(self._actors, acts, (), report)
        await looking.close()
        self._wrong += [f"twice: {row[0]}" for row in installation.rows(_TWICE)]
        self._wrong += await asyncio.to_thread(installation.damage)
        self._wrong += await self._leaked()
        report.violations += self._wrong

    def _client(self) -> Client:
        return Patient(self._installation.port, self._installation.key, self._refused)

    def _begin(self) -> None:
        self._over.clear()
        self._tasks = [asyncio.create_task(self._work(actor)) for actor in self._actors]

    async def _pause(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)
        self._tasks = []
        for actor in self._actors:
            await actor.client.close()

    async def _work(self, actor: Actor) -> None:
        while not self._over.is_set():
            try:
                if await actor.act():
                    self._acknowledged[actor.name] = time.monotonic()
            except Broken as broken:
                if not str(broken).isdigit():
                    self._wrong.append(f"{actor.name}: no answer: {broken}")
                await self._learn(actor)
            except Unexpected as answer:
                self._wrong.append(str(answer))
                return

    async def _learn(self, actor: Actor) -> None:
        """Ask the audit, once it can be asked, what the act in doubt came to."""
        assert actor.doubt is not None  # noqa: S101  that is why
        request_id = actor.doubt.request_id
        found: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(*_GONE):
                    found = await asyncio.to_thread(
                        self._installation.rows, _AUDITED, (request_id,)
                    )
                    break
                await asyncio.sleep(PAUSE)
        self._refused["in doubt, and happened" if found else "in doubt, and did not happen"] += 1
        actor.settle([request_id] if found else [])

    async def _recovered(self, back: float) -> float:
        """Wait until every client was served after that moment; return how long it took."""
        while min(self._acknowledged.values()) <= back:
            if time.monotonic() > back + PATIENCE:
                return PATIENCE
            await asyncio.sleep(0.01)
        return max(self._acknowledged.values()) - back

    async def _lost(self) -> list[str]:
        """Return the acts that were acknowledged and of which the database knows nothing."""
        acts: list[Act] = [act for actor in self._actors for act in actor.acknowledged]
        rows = await asyncio.to_thread(self._installation.rows, _ALL_AUDITED)
        there = {row[0] for row in rows}
        return [f"lost: {act.request_id} {act.action}" for act in acts
                if act.request_id not in there]  # fmt: skip

    async def _leaked(self) -> list[str]:
        """Return what the events left behind: connections, transactions, dead workers."""
        await asyncio.sleep(1)
        rows = self._installation.rows
        wrong = []
        connected = rows(_CONNECTED)[0][0]
        if connected > WORKERS * _CONNECTIONS:
            wrong.append(f"{connected} connections")
        if at_work := rows(_LEFT_OPEN)[0][0]:
            wrong.append(f"{at_work} connections are left at work")
        assert self._daemon is not None  # noqa: S101  it was entered
        if self._installation.workers(self._daemon) != self._workers:
            wrong.append("a worker died")
        return wrong
