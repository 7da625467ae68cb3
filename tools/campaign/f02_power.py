"""F2: the power goes at any moment of the real server's writing.

strace tells what the server wrote and synced under load, and when each answer left. From that every
image of the disk is made that a power cut could have left there (disk.py), and the program starts
on it: the database is whole, everything acknowledged before that moment is there and opens, no
write is there by half, and the key ring and the audit's anchor are theirs.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from tests.tools.proc import children
from tests.tools.programs import Daemon, regcred
from tests.tools.programs import run as run_program
from tests.tools.service import Service
from tools.campaign.client import Client
from tools.campaign.disk import Disk
from tools.campaign.installation import Installation
from tools.campaign.reading import read_now, typed
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.story import Act, Actor, Thing, apply, judge
from tools.campaign.tracing import command, events
from tools.campaign.wholeness import torn

SEED = 20261130
IMAGES = 25_000
FIRST_IMAGES = 2_000
"""Of `regcred init`, until it has shown the operator's key."""

CONTROL_IMAGES = 400
ACTS = 120
"""Of each client; at scale 1."""

CLIENTS = 4
LOGINS = 6
WORKERS = 2
_WITH_BUILDS = 0.01
"""From this scale on broken builds are traced too: below it they would take most of the time."""


_Story = dict[str, list[Act]]
"""By client, what was acknowledged in order, and then what was not."""


def run(scale: float) -> Report:
    """Cut the power in images, and with two broken builds which must be caught."""
    report = Report(
        "F2 power loss, SQLite", SEED, demands={"images": IMAGES, "acknowledged": CLIENTS * ACTS}
    )
    acts = scaled(ACTS, min(1, scale * 4), least=15)
    least = scaled(CONTROL_IMAGES, min(1, scale * 20), least=50)
    with _traced(acts) as replay:
        found = replay.cut(scaled(IMAGES, scale, least=60))
        lying = replay.cut(least, lying=True)
    first = _cut_first_start(scaled(FIRST_IMAGES, scale, least=20))
    for part in (found, first):
        report.counts.update(part.counts)
        report.violations += part.lost + part.damaged
    _control(report, "a disk that syncs nothing", lying)
    if scale >= _WITH_BUILDS:
        with _traced(acts, "lax_server.py NORMAL") as replay:
            _control(report, "synchronous=NORMAL", replay.cut(least))
        with _traced(acts, "lax_server.py OFF") as replay:
            off = replay.cut(least)
        _control(report, "synchronous=OFF", off)
        report.controls[-1] = replace(report.controls[-1], caught=bool(off.damaged))
    return report


def _control(report: Report, what: str, found: _Found) -> None:
    bad = f"lost or damaged in {found.bad} of {found.counts['images']} images"
    report.controls.append(Control(what, bool(found.lost), bad))


@dataclass
class _Found:
    """What the images of one run showed."""

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    bad: int = 0

    def take(self, other: _Found) -> None:
        """Add another's."""
        self.counts.update(other.counts)
        self.lost += other.lost
        self.damaged += other.damaged
        self.bad += other.bad


@contextmanager
def _traced(acts: int, program: str = "") -> Iterator[_Replay]:
    """Serve under strace while clients act, and yield what to cut the power in."""
    with workspace("f02", below=memory()) as folder:
        installation = Installation(folder / "service")
        shutil.copytree(installation.service.data, folder / "before")
        story = asyncio.run(_serve(installation, folder / "trace", acts, program))
        yield _Replay(folder, installation.service.data, story)


def _cut_first_start(images: int) -> _Found:
    """Cut the power while the store and the key ring are made."""
    found = _Found()
    with workspace("f02-init", below=memory()) as folder:
        service, log, nothing = Service(folder / "service"), folder / "trace", folder / "nothing"
        nothing.mkdir()
        init = (*regcred(), "init", "--data", str(service.data), "-o", "json")
        done = run_program([*command(log), *init], env=service.env)
        if done.code != 0:
            raise RuntimeError(done.text)
        happened = list(events(log, service.data))
        chance = random.Random(SEED)
        moments = Counter(chance.randrange(len(happened)) for _ in range(images))
        disk, shown, image = Disk(nothing, service.data), False, folder / "image"
        for number, event in enumerate(happened):
            if event.what == "answer":
                shown = shown or b'"key"' in event.data
            else:
                disk.take(event)
            for _ in range(moments[number]):
                image.mkdir()
                how = f"event {number} of the first start, {disk.image(image, chance)}"
                found.counts["images of a first start"] += 1
                reading = read_now(image)
                kept = ("key", "operator") in reading.found
                if shown and not kept:
                    found.lost.append(f"{how}: the key is gone ({reading.refused!r})")
                if reading.refused is not None and not typed(reading.refused):
                    found.damaged.append(f"{how}: {reading.refused!r}")
                found.counts["first starts refused"] += reading.refused is not None
                shutil.rmtree(image)
    return found


async def _serve(installation: Installation, log: Path, acts: int, program: str) -> _Story:
    """Serve under strace while clients act; return what each did."""
    daemon = installation.start(program=program, before=command(log))
    actors = [
        Actor(f"c{n}", Client(installation.port, installation.key), f"{SEED} {n}", most=LOGINS)
        for n in range(CLIENTS)
    ]
    try:
        await installation.ready()
        await asyncio.gather(*(_act(actor, acts) for actor in actors))
    finally:
        _end(daemon)
    return {actor.name: actor.acknowledged for actor in actors}


async def _act(actor: Actor, acts: int) -> None:
    for _ in range(acts):
        await actor.act()
    await actor.client.close()


def _end(daemon: Daemon) -> None:
    """Stop the traced server politely; strace ends with it."""
    for child in children(daemon.pid):
        os.kill(child, signal.SIGTERM)
    daemon.wait(60)


@dataclass
class _Replay:
    """One trace, `data` being where its files were, and the power cuts in it."""

    folder: Path
    data: Path
    story: _Story

    def cut(self, images: int, *, lying: bool = False) -> _Found:
        """Cut the power so often; a `lying` disk keeps nothing that was synced."""
        total = sum(1 for _ in events(self.folder / "trace", self.data))
        found = _Found(Counter(acknowledged=sum(map(len, self.story.values())), events=total))
        workers = min(WORKERS, -(-images // 1000))
        runs = [(n, total, images // workers, lying) for n in range(workers)]
        if workers == 1:
            found.take(self._run(*runs[0]))
            return found
        with ProcessPoolExecutor(workers, get_context("fork")) as pool:
            for part in pool.map(self._run, *zip(*runs, strict=True)):
                found.take(part)
        return found

    def _run(self, number: int, total: int, images: int, lying: bool) -> _Found:
        """Go through the events once, and cut the power at random moments on the way."""
        chance = random.Random(f"{SEED} {number}")
        moments = Counter(chance.randrange(total) for _ in range(images))
        disk, told, found = Disk(self.folder / "before", self.data), _Told(self.story), _Found()
        image = self.folder / f"image-{number}"
        for at, event in enumerate(events(self.folder / "trace", self.data)):
            if event.what == "answer":
                told.hear(event.data)
            elif not (lying and event.what.startswith("sync")):
                disk.take(event)
            for _ in range(moments[at]):
                image.mkdir()
                how = f"event {at}, {disk.image(image, chance)}"
                lost, damaged = told.judge(image)
                shutil.rmtree(image)
                found.counts["images"] += 1
                found.lost += [f"{how}: {one}" for one in lost]
                found.damaged += [f"{how}: {one}" for one in damaged]
                found.bad += bool(lost or damaged)
        return found


class _Told:
    """What clients had been told at a moment."""

    def __init__(self, story: _Story) -> None:
        self._story = story
        self._acts = {act.request_id: name for name, acts in story.items() for act in acts}
        self._count = dict.fromkeys(story, 0)
        self._present: dict[str, dict[Thing, str]] = {name: {} for name in story}
        self._touched: dict[str, set[Thing]] = {name: set() for name in story}
        self._audited: set[str] = set()

    def hear(self, answer: bytes) -> None:
        """Take in an answer that left."""
        head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
        request_id = head.partition("x-request-id: ")[2].partition("\r\n")[0]
        name = self._acts.get(request_id)
        if name is None or not head.startswith("http/1.1 2"):
            return
        act = self._story[name][self._count[name]]
        if act.request_id != request_id:
            raise ValueError(f"answers out of order: {request_id}")
        self._count[name] += 1
        self._audited.add(request_id)
        self._touched[name] |= act.changes.keys()
        apply(self._present[name], act)

    def judge(self, image: Path) -> tuple[list[str], list[str]]:
        """Return what is lost, and what is damaged, in an image of this moment."""
        reading = read_now(image)
        if reading.refused is not None:
            return [], [f"does not start: {reading.refused!r}"]
        lost = [f"no audit row of {one}" for one in self._audited - reading.audited]
        damaged = [f"{' '.join(t)}: {error!r}" for t, error in reading.errors.items()]
        for name, acts in self._story.items():
            count = self._count[name]
            doubt = acts[count] if count < len(acts) else None
            lost += judge(
                self._present[name], self._touched[name], doubt, reading.found, reading.audited
            )
        with closing(sqlite3.connect(image / "store" / "regcred.db")) as database:
            try:
                damaged += torn(lambda query: database.execute(query).fetchall())
                check = database.execute("PRAGMA integrity_check").fetchall()
                damaged += [str(row[0]) for row in check if row[0] != "ok"]
            except sqlite3.DatabaseError as error:
                damaged.append(repr(error))
        return lost, damaged
