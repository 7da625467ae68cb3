"""F18: the k-th write or sync fails, for every k of a script; and a disk that is really full.

Under the store's SQLite lies a disk that fails when it is told to (faulty_disk.py), for want of
space until there is some again, or once with an I/O error and half a write. Each operation of the
script is repeated with its first, second, third … call failing until one passes untouched. What was
acknowledged stays; what was not is a 503 in the shape of the face that was asked; and the next
request after the fault works. Where a file system can be mounted, a real server fills a small one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from structlog.testing import capture_logs

from regcred.adapters.storage.sqlite.transaction import SqliteTransaction
from tests.tools.programs import free_port
from tests.tools.service import Service
from tools.campaign.client import Client, wait_ready
from tools.campaign.faulty_disk import FaultyDisk
from tools.campaign.inside import Inside, application
from tools.campaign.reading import read
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.story import Actor, Unexpected, judge

SEED = 20261203
OPERATIONS = 200
LOGINS = 12
KINDS = ("create", "replace", "use", "mint", "resolve", "unuse", "revoke", "delete")
_NEEDED = {"unuse": ("use", "use"), "revoke": ("key", "mint")}
"""What must be there for some kinds, and what makes it."""

_LOOK_EVERY = 10
_MOST_CALLS = 400
"""Of one operation; one that has more is counted as a violation, and the script goes on."""

_REFUSED = frozenset({int(HTTPStatus.SERVICE_UNAVAILABLE)})
_ABSENT = UUID(int=7 << 76)

FACES = {
    "native": ("Authorization: Bearer ", "/v1/projects/-/credentials", _ABSENT),
    "gcore": ("Authorization: apikey ", "/cloud/v3/inference/1/registry_credentials", "absent"),
    "yotta": ("X-Api-Key: ", "/v2/container-registry-auths", 999),
    "sevalla": ("Authorization: Bearer ", "/v3/docker-registries", _ABSENT),
}
"""(header with the key, where logins are, one that is not there) by wire language."""


def run(scale: float) -> Report:
    """Fail every call of the script, and with a commit that hides its failure, which must show."""
    report = Report(
        "F18 disk full and failed sync, SQLite", SEED, demands={"operations": OPERATIONS}
    )
    operations = scaled(OPERATIONS, scale, least=3)
    with workspace("f18", below=memory()) as folder:
        asyncio.run(_script(folder, operations, report))
    with workspace("f18-full") as folder:
        asyncio.run(_full_disk(folder, report))
    hidden = Report("control", SEED)
    with workspace("f18-control", below=memory()) as folder, _hidden_failures():
        asyncio.run(_script(folder, 1, hidden))
    found = len(hidden.violations)
    report.controls.append(Control("hides a COMMIT that failed", found > 0, f"{found} noticed"))
    return report


async def _script(folder: Path, operations: int, report: Report) -> None:
    service = Service(folder / "service")
    service.init()
    disk = FaultyDisk()
    calls: Counter[str] = Counter()
    with disk.in_place(), capture_logs():
        async with application(service.data) as app:
            actor = Actor("c", Inside(app, service.key), str(SEED), most=LOGINS)
            for number in range(operations):
                kind = KINDS[number % len(KINDS)]
                calls[kind] = max(calls[kind], await _every_call(actor, kind, disk, report))
                report.add("operations")
                if number % _LOOK_EVERY == 0 or number == operations - 1:
                    report.violations += await _look(actor, service.data, folder / "copy")
            report.violations += await _faces(app, service.key, disk, report)
        report.violations += await _look(actor, service.data, folder / "copy")
    report.counts["most calls of one operation"] = max(calls.values())


async def _every_call(actor: Actor, kind: str, disk: FaultyDisk, report: Report) -> int:
    """Do one kind of thing with each of its calls failing; return how many it has."""
    for call in range(1, _MOST_CALLS):
        needed = _NEEDED.get(kind)
        if needed and not any(thing[0] == needed[0] for thing in actor.present):
            await _do(actor, needed[1], report)
        disk.arm(call, full=call % 2 == 0)
        done = await _do(actor, kind, report, refusals=_REFUSED)
        fired = disk.fired
        disk.disarm()
        report.add("faults", min(fired, 1))
        report.add("refused", not done)
        if not fired:
            return call - 1
        await _do(actor, "create", report)  # there is space again
        while sum(thing[0] == "login" for thing in actor.present) > LOGINS:
            if not await _do(actor, "delete", report):
                break
    report.violations.append(f"{kind}: more than {_MOST_CALLS} calls")
    return _MOST_CALLS


async def _do(
    actor: Actor, kind: str, report: Report, refusals: frozenset[int] = frozenset()
) -> bool:
    """Do one thing; return whether it was acknowledged."""
    try:
        done = await actor.act(kind, refusals=refusals) is not None
    except Unexpected as answer:
        report.violations.append(str(answer))
        return False
    report.add("acknowledged", done)
    return done


async def _look(actor: Actor, data: Path, copy: Path) -> list[str]:
    """Start on a copy of the files as they are, and compare."""
    shutil.copytree(data, copy)
    try:
        reading = await read(copy)
    finally:
        shutil.rmtree(copy)
    if reading.refused is not None:
        return [f"does not start: {reading.refused!r}"]
    touched = {thing for act in actor.acknowledged for thing in act.changes}
    wrong = judge(actor.present, touched, None, reading.found, reading.audited)
    wrong += [f"{thing}: {error!r}" for thing, error in reading.errors.items()]
    missing = {act.request_id for act in actor.acknowledged} - reading.audited
    return wrong + [f"no audit row of {one}" for one in missing]


async def _faces(app: object, key: str, disk: FaultyDisk, report: Report) -> list[str]:
    """Have each wire language asked to store a login while nothing can be stored."""
    wrong = []
    for face, (header, path, absent) in FACES.items():
        client = Inside(app, key, header)  # type: ignore[arg-type]  # an application
        usual = await client.ask("GET", f"{path}/{absent}")
        disk.arm(1, full=True)
        answer = await client.ask("POST", path, _login(face, "full"))
        disk.disarm()
        after = await client.ask("POST", path, _login(face, "after"))
        report.add("faces")
        if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
            wrong.append(f"{face}: {answer.status} {answer.body!r}")
        elif answer.json.keys() != usual.json.keys():
            wrong.append(f"{face}: {answer.body!r} has not the shape of {usual.body!r}")
        if after.status >= HTTPStatus.MULTIPLE_CHOICES:
            wrong.append(f"{face}, with space again: {after.status} {after.body!r}")
    return wrong


def _login(face: str, name: str) -> dict[str, str]:
    login = {"name": f"{face}-{name}", "username": "robot"}
    if face == "sevalla":
        return {**login, "secret": "pw-of-sevalla", "registry": "dockerHub"}
    if face == "yotta":
        return {**login, "password": "pw", "type": "DOCKER_HUB"}
    return {**login, "password": "pw", "registry_url": "https://full.example"}


async def _full_disk(folder: Path, report: Report) -> None:
    """Fill a small file system under a real server, where one can be mounted."""
    with _small_disk(folder) as disk:
        if disk is None:
            return
        service = Service(folder / "service")
        service.data = disk / "data"
        service.port = free_port()
        service.init()
        daemon = service.start()
        client = Client(service.port, service.key)
        path = FACES["native"][1]
        try:
            await wait_ready(service.port)
            first = await client.ask("POST", path, _login("native", "first"))
            with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while filler.write(bytes(4096)):
                    pass
            statuses = set()
            for number in range(40):
                answer = await client.ask("POST", path, _login("native", f"full-{number}"))
                statuses.add(answer.status)
            listed = await client.ask("GET", path)
            (disk / "filler").unlink()
            after = await client.ask("POST", path, _login("native", "after"))
            report.add("really full disks")
            seen = (first.status, max(statuses), listed.status, after.status)
            if seen != (201, 503, 200, 201) or not statuses <= {201, 503}:
                report.violations.append(f"on a full disk: {seen}, {statuses}")
        finally:
            await client.close()
            daemon.stop()


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    disk = folder / "disk"
    disk.mkdir()
    made = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)],
            check=False,
            capture_output=True,
        ).returncode
    )
    try:
        yield disk if made else None
    finally:
        if made:
            subprocess.run(["umount", str(disk)], check=True)


@contextmanager
def _hidden_failures() -> Iterator[None]:
    """Let a COMMIT that failed pass for one that did not."""
    kept = SqliteTransaction.commit

    def commit(self: SqliteTransaction) -> None:
        with suppress(Exception):
            kept(self)
        if self.alive:
            self._connection.execute("ROLLBACK")

    SqliteTransaction.commit = commit  # type: ignore[method-assign]  # that is the fault
    try:
        yield
    finally:
        SqliteTransaction.commit = kept  # type: ignore[method-assign]  # as it was
