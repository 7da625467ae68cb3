"""F19: backups of the real server while clients write to it, and what is in each of them.

Every backup is one moment between the command's start and its end: what was acknowledged before
must be in it, what was deleted before must not be, and everything in it must open. The last one is
restored, served, and every login in it compared. A key ring of another store opens none of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.bootstrap.stores import utc_now
from tests.tools.programs import Finished
from tests.tools.service import Service
from tools.campaign.client import Broken, Client, wait_ready
from tools.campaign.installation import Installation
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace
from tools.campaign.wholeness import torn

SEED = 20261130
BACKUPS = 20
CLIENTS = 4

_FETCHED = 500
_PATH = "/v1/projects/-/credentials"
_CREATES, _REPLACES = 0.5, 0.3
"""Of a client's writes; the rest are deletions."""

_COPIES = 20
"""Made at most until one is torn."""

_LONGEST = 1.0
"""Seconds of work between two backups, evenly drawn."""


def run(scale: float) -> Report:
    """Back the real server up, and once as nobody should, which must be caught."""
    report = Report(
        "F19 backups under load, SQLite", SEED, demands={"backups": BACKUPS, "acknowledged": 1_000}
    )
    with workspace("f19") as folder:
        asyncio.run(_campaign(folder, scaled(BACKUPS, scale), report))
    return report


@dataclass
class _Writer:
    """A client that creates, replaces and deletes logins of its own, one request at a time."""

    client: Client
    name: str
    source: random.Random
    there: dict[str, str] = field(default_factory=dict)
    """Logins that were acknowledged, with their passwords; nothing is under way with them."""

    gone: set[str] = field(default_factory=set)
    acknowledged: int = 0

    async def work(self, stopped: asyncio.Event) -> None:
        """Write until told to stop. Raise Broken, RuntimeError for an answer nobody expects."""
        while not stopped.is_set():
            await self._turn()
        await self.client.close()

    async def _turn(self) -> None:
        kind = self.source.random()
        if kind < _CREATES or not self.there:
            await self.create()
            return
        name = self.source.choice(sorted(self.there))
        # Neither in nor out for as long as nobody has answered.
        password = self.there.pop(name)
        if kind < _CREATES + _REPLACES:
            password = self._password()
            body = {"password": password}
            await self._ask("PATCH", f"{_PATH}/{name}", body, HTTPStatus.OK)
            self.there[name] = password
        else:
            await self._ask("DELETE", f"{_PATH}/{name}", None, HTTPStatus.NO_CONTENT)
            self.gone.add(name)

    async def create(self) -> None:
        """Create one login."""
        name, password = f"{self.name}-{self.acknowledged}", self._password()
        body = {
            "name": name,
            "registry_url": f"{name}.example.com",
            "username": "robot",
            "password": password,
        }
        await self._ask("POST", _PATH, body, HTTPStatus.CREATED)
        self.there[name] = password

    async def _ask(self, method: str, path: str, body: object, status: HTTPStatus) -> None:
        answer = await self.client.ask(method, path, body)
        if answer.status != status:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
        self.acknowledged += 1

    def _password(self) -> str:
        return f"{self.source.getrandbits(128):032x}"


async def _campaign(folder: Path, backups: int, report: Report) -> None:
    source = random.Random(SEED)
    served = Installation(folder / "served")
    other = folder / "other" / "keyring.json"
    FileKeyring.create(other, random=source.randbytes, now=utc_now())
    made: list[Path] = []
    async with _written(served, source) as writers:
        for _ in range(backups):
            await asyncio.sleep(source.uniform(0, _LONGEST))
            before = _known(writers)
            done = await _command(served, "backup", str(folder / "backups"))
            if done.code != 0:
                report.violations.append(f"backup: {done.text}")
                continue
            backup = Path(done.out.strip())
            made.append(backup)
            report.add("backups")
            report.violations += _judge(backup, before, _known(writers))
        report.controls.append(await _copied_by_hand(served, writers, folder))
    report.add("acknowledged", sum(writer.acknowledged for writer in writers))
    for backup in made:
        report.violations += await _drill(served, backup, report)
        ring = ("--keyring", str(other))
        refused = await _command(served, "restore", "--check", str(backup), *ring)
        report.add("refused by another key ring", refused.code == 1 and not refused.out)
    if report.counts.get("refused by another key ring") != len(made):
        report.violations.append("a key ring of another store was not refused")
    if made:
        await _restored(served, made[-1], folder / "restored", report)


_Known = tuple[dict[str, str], set[str]]
"""Logins that are there for sure, with their passwords; and those that are gone for sure."""


def _known(writers: Sequence[_Writer]) -> _Known:
    there: dict[str, str] = {}
    gone: set[str] = set()
    for writer in writers:
        there.update(writer.there)
        gone |= writer.gone
    return there, gone


@asynccontextmanager
async def _written(served: Installation, source: random.Random) -> AsyncIterator[list[_Writer]]:
    """Serve, and have clients write, until the block ends."""
    server, stopped = served.start(), asyncio.Event()
    try:
        await served.ready()
        writers = [
            _Writer(Client(served.port, served.key), f"c{n}", random.Random(source.random()))
            for n in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.work(stopped))
            yield writers
            stopped.set()
    finally:
        stopped.set()
        await asyncio.to_thread(server.stop)


def _judge(file: Path, before: _Known, after: _Known) -> list[str]:
    """Return what is not in a copy and must be, what must not be, and what is torn."""
    rows: list[tuple[Any, ...]]
    try:
        rows = _rows(file, "SELECT name FROM credentials")
        found = torn(lambda query: _rows(file, query))
    except sqlite3.Error as error:
        return [f"{file.name}: {error}"]
    names = {str(name) for (name,) in rows}
    lost = {name for name in before[0] if name in after[0]} - names
    back = before[1] & names
    found += [f"acknowledged, and not in it: {name}" for name in sorted(lost)]
    found += [f"deleted, and still in it: {name}" for name in sorted(back)]
    return [f"{file.name}: {one}" for one in found]


def _rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as copy:
        return copy.execute(query).fetchall()


async def _copied_by_hand(
    served: Installation, writers: Sequence[_Writer], folder: Path
) -> Control:
    """Copy the file as `cp` does, without its log, just after something was acknowledged.

    More than once: a copy made right after a checkpoint is whole by luck.
    """
    extra = _Writer(Client(served.port, served.key), "last", random.Random(SEED))
    found: list[str] = []
    for _ in range(_COPIES):
        await extra.create()
        before = _known([*writers, extra])
        await asyncio.to_thread(shutil.copy, served.store / "regcred.db", folder / "by-hand.db")
        found = _judge(folder / "by-hand.db", before, before)
        if found:
            break
    await extra.client.close()
    return Control("cp of the database's file", bool(found), f"{len(found)} findings")


async def _drill(served: Installation, backup: Path, report: Report) -> list[str]:
    """Have the product itself open everything in a backup."""
    done = await _command(served, "restore", "--check", str(backup), "-o", "json")
    if not done.out:
        return [f"{backup.name}: {done.err}"]
    told = json.loads(done.out)
    report.add("secrets opened", told["opened"])
    wrong = [f"{backup.name}: {one}" for one in told["wrong"]]
    if told["opened"] != told["counts"]["credentials"]:
        wrong.append(f"{backup.name}: {told['opened']} of {told['counts']['credentials']} opened")
    return wrong


async def _restored(served: Installation, backup: Path, folder: Path, report: Report) -> None:
    """Serve the last backup from another place, and fetch every login that it holds."""
    service = Service(folder, log_level="error")
    service.data.mkdir(mode=0o700)
    ring = ("--keyring", str(served.keys / "keyring.json"))
    where = ("--data", str(service.data), *ring)
    done = await asyncio.to_thread(service.run, "restore", str(backup), *where)
    if done.code != 0:
        report.violations.append(f"restore: {done.text}")
        return
    # The anchor beside the key ring is of a store that went on.
    server = service.start(*ring, "--anchor", str(service.data / "anchor.json"))
    client = Client(service.port, served.key)
    try:
        await wait_ready(service.port)
        names = _rows(backup, "SELECT name FROM credentials ORDER BY name")
        for (name,) in names[:_FETCHED]:
            body = {"image": f"{name}.example.com/app"}
            answer = await client.ask("POST", "/v1/projects/-/resolve", body)
            logins = answer.json.get("logins", []) if answer.status == HTTPStatus.OK else []
            report.add("logins fetched from a restored store", len(logins))
            if [login["credential"]["name"] for login in logins] != [name]:
                report.violations.append(f"restored: {name}: {answer.status}")
    except (Broken, TimeoutError) as error:
        report.violations.append(f"restored: {error}: {server.text}")
    finally:
        await client.close()
        await asyncio.to_thread(server.stop)


async def _command(where: Installation, *words: str) -> Finished:
    arguments = (*words, "--data", str(where.service.data))
    return await asyncio.to_thread(where.service.run, *arguments)
