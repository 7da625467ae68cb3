"""F1: kill -9 while clients write, again and again, on the real server process.

Several servers run side by side, each on a folder of its own. One life is: start, wait until it is
ready, look for what the life before must have left, let the clients work, kill at a random moment;
one life in ten is killed while it starts. One start in ten is the whole program's, and timed; the
others are forks of a process that has imported it, or a thousand kills would take hours. At the
end everything that was ever acknowledged is read through the API and compared.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.tools import postgres
from tests.tools.postgres import Cluster
from tests.tools.programs import Daemon
from tools.campaign.client import Broken, Client
from tools.campaign.installation import Forked, Installation, Spawner
from tools.campaign.looking import Looking
from tools.campaign.on_postgres import OnDatabase
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace
from tools.campaign.story import Act, Actor, Unexpected
from tools.campaign.wholeness import torn

SEED = 20261129
KILLS = 1_000
SERVERS = 2
CLIENTS = 6
CONTROL_KILLS = 2

_SHORTEST, _LONGEST = 0.02, 0.5
"""Seconds of work before a kill, evenly drawn."""

_WHOLE_STARTS = 0.1
_KILLED_EARLY = 0.1
_START_SECONDS = 0.8
"""Within which a start that is to be killed is killed."""

_AUDIT = "SELECT number, request_id FROM audit_events WHERE number > ? ORDER BY number"


Installing = Callable[[Path], Installation]


def run(scale: float) -> Report:
    """Kill the real server, and the broken build which must be caught."""
    return _run("SQLite", scaled(KILLS, scale), Installation)


def run_on_postgres(scale: float, cluster: Cluster | None = None) -> Report:
    """Kill workers, their parent, and all of them at once, on a database that lives on.

    Raise ProgramMissing.
    """
    if cluster is None:
        with postgres.running() as made:
            return run_on_postgres(scale, made)

    def installing(folder: Path) -> Installation:
        return OnDatabase(folder, cluster)

    return _run("PostgreSQL", scaled(KILLS, scale), installing)


def _run(store: str, kills: int, installing: Installing) -> Report:
    report = Report(
        f"F1 kill -9 under load, {store}",
        SEED,
        demands={"kills": KILLS, "acknowledged": 100_000},
        at_most={"s to ready, p99": 2.0},
    )
    with workspace("f01") as folder:
        asyncio.run(_campaign(folder, kills, installing, report))
    report.controls.append(control(installing))
    return report


def control(installing: Installing) -> Control:
    """Kill the broken build."""
    with workspace("f01-control") as folder:
        report = Report("control", SEED)
        server = _Server(
            installing(folder / "0"), 0, CONTROL_KILLS, report, program="early_server.py"
        )
        asyncio.run(server.run())
    lost = len(report.violations)
    return Control("answers before COMMIT", lost > 0, f"{lost} lost in {CONTROL_KILLS} kills")


async def _campaign(folder: Path, kills: int, installing: Installing, report: Report) -> None:
    count = min(SERVERS, -(-kills // 10))
    with closing(Spawner()) as spawner:
        servers = [
            _Server(installing(folder / str(n)), n, kills // count, report, spawner=spawner)
            for n in range(count)
        ]
        async with asyncio.TaskGroup() as group:
            for server in servers:
                group.create_task(server.run())
    times = sorted(seconds for server in servers for seconds in server.starts)
    if times:
        report.counts["s to ready, median"] = round(statistics.median(times), 2)
        report.counts["s to ready, p99"] = round(times[int(len(times) * 0.99)], 2)


class _Server:
    """One folder, its clients, and the lives of its server."""

    def __init__(
        self,
        installation: Installation,
        number: int,
        kills: int,
        report: Report,
        *,
        program: str = "",
        spawner: Spawner | None = None,
    ) -> None:
        self._spawner = spawner
        self.starts: list[float] = []
        self._installation = installation
        self._kills = kills
        self._report = report
        self._program = program
        self._random = random.Random(f"{SEED} {number}")
        self._looking = Looking(installation)
        self._since: dict[str, list[Act]] = {}
        """What was acknowledged since the last look, by client."""

        self._actors = [
            Actor(f"s{number}c{n}", self._client(), f"{SEED} {number} {n}") for n in range(CLIENTS)
        ]
        self._seen = 0
        """The newest audit row that was looked at."""

        self._audited: set[str] = set()
        """Request ids of the audit's rows since the life before."""

    def _client(self) -> Client:
        return Client(self._installation.port, self._installation.key)

    async def run(self) -> None:
        """Live and die, then compare everything."""
        for life in range(self._kills):
            if life and self._random.random() < _KILLED_EARLY:
                await self._killed_while_starting()
            else:
                await self._life()
        daemon = await self._start()
        try:
            await self._settle()
            everything = {actor.name: actor.acknowledged for actor in self._actors}
            await self._looking.look(self._actors, everything, self._audited, self._report)
            self._report.violations += self._installation.damage()
        finally:
            daemon.stop()
            await self._looking.close()
            for actor in self._actors:
                await actor.client.close()

    async def _life(self) -> None:
        daemon = await self._start()
        try:
            await self._settle()
            before = {actor.name: len(actor.acknowledged) for actor in self._actors}
            tasks = [asyncio.create_task(self._work(actor)) for actor in self._actors]
            await asyncio.sleep(self._random.uniform(_SHORTEST, _LONGEST))
        finally:
            kills = await asyncio.to_thread(self._installation.kill, daemon)
        await asyncio.gather(*tasks)
        self._report.add("kills", kills)
        self._since = {
            actor.name: actor.acknowledged[before[actor.name] :] for actor in self._actors
        }
        self._report.add("acknowledged", sum(map(len, self._since.values())))

    async def _killed_while_starting(self) -> None:
        daemon, _ = self._spawned()
        await asyncio.sleep(self._random.uniform(0, _START_SECONDS))
        self._report.add("kills", await asyncio.to_thread(self._installation.kill, daemon))

    def _spawned(self) -> tuple[Daemon | Forked, bool]:
        """Start a process, and say whether it is one whose time counts."""
        if self._spawner is None or self._random.random() < _WHOLE_STARTS:
            return self._installation.start(program=self._program), True
        installation = self._installation
        return self._spawner.start(installation.service, *installation.more), False

    async def _start(self) -> Daemon | Forked:
        began = time.monotonic()
        daemon, whole = self._spawned()
        try:
            await self._installation.ready()
        except TimeoutError:
            daemon.kill()
            raise RuntimeError(f"not ready again:\n{daemon.text}") from None
        if whole:
            self.starts.append(time.monotonic() - began)
        await self._looking.close()  # it led to the process before
        return daemon

    async def _work(self, actor: Actor) -> None:
        try:
            while True:
                await actor.act()
        except Broken:
            return
        except Unexpected as answer:
            self._report.violations.append(str(answer))

    async def _settle(self) -> None:
        """Look for what the last life must have left, and learn what its last acts came to."""
        rows = self._installation.rows(_AUDIT, (self._seen,))
        if rows:
            self._seen = rows[-1][0]
        self._audited = {row[1] for row in rows}
        for name, acts in self._since.items():
            missing = [act.request_id for act in acts if act.request_id not in self._audited]
            self._report.violations += [f"{name}: no audit row of {one}" for one in missing]
        await self._looking.look(self._actors, self._since, self._audited, self._report)
        for actor in self._actors:
            actor.settle(self._audited)
        self._report.violations += torn(self._installation.rows)
        self._since = {}
