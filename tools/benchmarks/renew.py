"""1,000 exchanged logins that are all due, four workers, and pulls going on meanwhile."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import httpx2

from tests.system.exchanging_worker import renew
from tests.tools.minter import HOST, USER, Minter
from tests.tools.service import Service
from tools.benchmarks.common import SERVER_CORES, Bench, Goal

LOGINS = 1_000
WORKERS = 4
_ANSWER_SECONDS = 0.05
_PULLERS = 4
_STUCK_SECONDS = 120
_QUIET_SECONDS = 3


def measure(bench: Bench) -> None:
    """Measure how often the cloud is asked, and how many pulls go without a login."""
    with Minter(seconds=_ANSWER_SECONDS).serving() as cloud:
        service = bench.service(
            "renew",
            REGCRED_ENDPOINTS=f"digitalocean={cloud.url}",
            REGCRED_EXCHANGES_PER_CLOUD="1000000",
            REGCRED_VERIFY_PER_PROJECT="1000000",
        )
        with service.serving(), service.api() as api:
            for number in range(LOGINS):
                where = f"https://{HOST}/r{number}"
                api.add(f"login-{number}", where, USER, f"token-{number}", provider="digitalocean")
            _wait_for(cloud, LOGINS)
        asked, seconds, pulls, failed = [], [], [], []
        for _ in range(bench.rounds):
            _all_due(service.data / "store")
            cloud.asked.clear()
            began = time.monotonic()
            done, without = _round(service, cloud)
            seconds.append(time.monotonic() - began - _QUIET_SECONDS)
            asked.append(float(len(cloud.asked)))
            pulls.append(float(done))
            failed.append(float(without))
    what = f"renewing {LOGINS:,} logins, {WORKERS} workers"
    bench.add(f"{what}: seconds", "s", seconds)
    bench.add(f"{what}: exchanges beyond one each", "", [a - LOGINS for a in asked], Goal(0))
    bench.add(f"{what}: pulls meanwhile", "", pulls)
    bench.add(f"{what}: pulls without a login", "", failed, Goal(0))


def _all_due(store: Path) -> None:
    """Have every login renewed now; each is good for hours still."""
    with closing(sqlite3.connect(store / "regcred.db")) as database:
        database.execute("UPDATE credential_logins SET refresh_at = 0")
        database.commit()


def _round(service: Service, cloud: Minter) -> tuple[int, int]:
    """Renew all of them; return the pulls meanwhile, and those that came back without a login."""
    spawn = multiprocessing.get_context("spawn")
    others = [
        spawn.Process(target=renew, args=(service.data, cloud.url)) for _ in range(WORKERS - 1)
    ]
    over, told = Event(), list[tuple[int, int]]()
    with service.serving(cores=SERVER_CORES):
        pulling = Thread(target=lambda: told.append(asyncio.run(_pull(service, over))))
        pulling.start()
        for other in others:
            other.start()
        try:
            _wait_for(cloud, LOGINS)
            time.sleep(_QUIET_SECONDS)
        finally:
            over.set()
            pulling.join()
            for other in others:
                other.join(_STUCK_SECONDS)
    return told[0]


async def _pull(service: Service, over: Event) -> tuple[int, int]:
    headers = {"Authorization": f"Bearer {service.key}"}
    async with httpx2.AsyncClient(
        base_url=service.url, headers=headers, trust_env=False, timeout=30
    ) as client:
        counts = await asyncio.gather(*(_puller(client, n, over) for n in range(_PULLERS)))
    return sum(done for done, _ in counts), sum(without for _, without in counts)


async def _puller(client: httpx2.AsyncClient, first: int, over: Event) -> tuple[int, int]:
    done = without = 0
    while not over.is_set():
        number = (first + done * _PULLERS) % LOGINS
        answer = await client.post(
            "/v1/projects/-/resolve", json={"image": f"{HOST}/r{number}/app:1"}
        )
        done += 1
        without += answer.status_code != httpx2.codes.OK or not answer.json()["logins"]
    return done, without


def _wait_for(cloud: Minter, count: int) -> None:
    deadline = time.monotonic() + _STUCK_SECONDS
    while len(cloud.asked) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(cloud.asked)} of {count} logins were exchanged")
        time.sleep(0.05)
