"""A revoked key and a replaced secret count from the very next request, on every process.

Many clients pull without a pause, each over a connection of its own. Meanwhile keys are revoked
and passwords replaced; the moment an acknowledgement is in hand is noted. Every pull that began
after it must be refused, or get the new password or one newer still. Nobody waits for anything to
become visible: a cache of a millisecond would be seen.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools import postgres
from tests.tools.programs import LOOPBACK
from tests.tools.service import Service
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace

NAME = "freshness"
SEED = 0
CLIENTS = 64
CHANGES = 1_000
_TARGETS = 8
_CONTROL_CHANGES = 2 * _TARGETS
_REVOKED = -1
_REFUSALS = {401, 429}
"""What a key that opens nothing is told, by the tenth time to wait."""

_DATABASE = "campaign"
_OLD_KEY = 5
"""One pull of so many tries a key that was revoked before."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running service: the ports of its processes, which share one store, and a key."""

    ports: Sequence[int]
    key: str


Serving = Callable[[Path], AbstractContextManager[Served]]
"""Starts processes over one store of its kind."""


@contextmanager
def one_on_sqlite(folder: Path) -> Iterator[Served]:
    """Serve an SQLite store: by one process, as ever."""
    service = Service(folder)
    service.init()
    with service.serving():
        yield Served([service.port], service.key)


@contextmanager
def two_on_postgres(folder: Path) -> Iterator[Served]:
    """Serve a PostgreSQL database by two processes. Raise ProgramMissing."""
    with postgres.running() as cluster:
        cluster.make(_DATABASE)
        services = [Service(folder / "one"), Service(folder / "two")]
        for service in services:
            # One key ring and one anchor for both.
            service.data = services[0].data
            service.env["REGCRED_DATABASE"] = cluster.url("app", _DATABASE)
        services[0].run("migrate", "--database", cluster.url("owner", _DATABASE))
        services[0].init()
        with services[0].serving(), services[1].serving():
            yield Served([service.port for service in services], services[0].key)


@dataclass
class Target:
    """A login and a key for it; `known` is what every request that begins now must see."""

    number: int
    registry: str
    key: str = ""
    key_id: str = ""
    revoked: str = ""
    """The key before this one: it pulls nothing any more."""

    known: int = 0
    """The version of the password that was acknowledged last, or _REVOKED."""


@dataclass
class Watched:
    """What the pulls saw."""

    pulls: int = 0
    stale: list[str] = field(default_factory=list)


class Client:
    """One connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, key: str, body: object = None) -> tuple[int, Any]:
        """Send one request and return its status and JSON."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        head_back = await reader.readuntil(b"\r\n\r\n")
        status = int(head_back.split(b" ", 2)[1])
        length = next(
            (int(line.split(b":")[1]) for line in head_back.lower().split(b"\r\n")
             if line.startswith(b"content-length:")), 0,
        )  # fmt: skip
        text = await reader.readexactly(length)
        return status, json.loads(text) if text else None

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


STORES: tuple[Serving, ...] = (one_on_sqlite, two_on_postgres)


def run(scale: float, stores: Sequence[Serving] = STORES) -> Report:
    """Make 1,000 changes at scale 1 under 64 clients, on each kind of store."""
    report = Report(
        NAME, SEED, demands={"changes": 2 * CHANGES, "clients": CLIENTS, "processes": 3}
    )
    report.counts |= {"changes": 0, "pulls": 0, "clients": CLIENTS, "processes": 0}
    for serving in stores:
        with workspace(NAME) as folder, serving(folder) as served:
            watched = asyncio.run(_campaign(served, scaled(CHANGES, scale), early=False))
            early = asyncio.run(_campaign(served, _CONTROL_CHANGES, early=True))
            report.add("processes", len(served.ports))
        report.add("changes", scaled(CHANGES, scale))
        report.add("pulls", watched.pulls)
        report.violations += watched.stale
        report.controls.append(
            Control(
                "a change that counts later than it was acknowledged",
                caught=bool(early.stale),
                found=f"{len(early.stale)} stale of {early.pulls:,} pulls",
            )
        )
    return report


async def _campaign(served: Served, changes: int, *, early: bool) -> Watched:
    """Pull and change; `early` takes every change for acknowledged before it was asked for."""
    watched, admin, over = Watched(), Client(served.ports[0]), asyncio.Event()
    label = "early" if early else "true"
    targets = [Target(n, f"{label}-{n}.example") for n in range(_TARGETS)]
    for target in targets:
        await _store(admin, served.key, target)
    ports = itertools.cycle(served.ports)
    clients = [
        asyncio.create_task(_pull(Client(next(ports)), _from(targets, n), watched, over))
        for n in range(CLIENTS)
    ]
    try:
        await _change(admin, served.key, targets, changes, early=early)
    finally:
        over.set()
        await asyncio.gather(*clients)
        admin.close()
    return watched


def _from(targets: list[Target], number: int) -> list[Target]:
    """Return the targets, another one first for each client."""
    first = number % len(targets)
    return targets[first:] + targets[:first]


async def _store(admin: Client, key: str, target: Target) -> None:
    login = {"name": target.registry, "registry_url": target.registry, "username": "u"}
    body = {**login, "password": "0"}
    status, told = await admin.send("POST", "/v1/projects/-/credentials", key, body)
    assert status == 201, told
    await _give_key(admin, key, target)


async def _give_key(admin: Client, key: str, target: Target) -> None:
    body = {"name": "pulls", "role": "puller"}
    status, told = await admin.send("POST", "/v1/projects/-/keys", key, body)
    assert status == 201, told
    target.key, target.key_id = told["key"], told["id"]


async def _change(
    admin: Client, key: str, targets: list[Target], changes: int, *, early: bool
) -> None:
    versions = [0] * len(targets)
    for number in range(changes):
        target = targets[number % len(targets)]
        # The second round over the targets revokes, and a new key follows at once.
        if number // len(targets) % 2:
            before = (target.key, target.key_id)
            if early:
                target.known = _REVOKED
            status, told = await admin.send("DELETE", f"/v1/projects/-/keys/{before[1]}", key)
            target.known = _REVOKED
            assert status == 204, told
            target.revoked = before[0]
            await asyncio.sleep(0.002)
            await _give_key(admin, key, target)
            target.known = versions[target.number]
            continue
        versions[target.number] += 1
        if early:
            target.known = versions[target.number]
        path = f"/v1/projects/-/credentials/{target.registry}"
        body = {"password": str(versions[target.number])}
        status, told = await admin.send("PATCH", path, key, body)
        assert status == 200, told
        target.known = versions[target.number]


async def _pull(
    client: Client, targets: list[Target], watched: Watched, over: asyncio.Event
) -> None:
    for number, target in enumerate(itertools.cycle(targets)):
        if over.is_set():
            break
        known, key = target.known, target.key
        if number % _OLD_KEY == 0 and target.revoked:
            known, key = _REVOKED, target.revoked
        asked = {"image": f"{target.registry}/app"}
        status, told = await client.send("POST", "/v1/projects/-/resolve", key, asked)
        watched.pulls += 1
        if status in _REFUSALS:
            continue  # Refused is never stale: the key may have been revoked meanwhile.
        seen = int(told["logins"][0]["password"]) if status == 200 and told["logins"] else None
        if known == _REVOKED or seen is None or seen < known:
            watched.stale.append(f"{target.registry}: {status} {seen}, though {known} was told")
    client.close()
