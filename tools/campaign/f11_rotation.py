"""F11: keys change under load: key-encryption keys and a project's seed, two rotators, one killed.

The real server is read and written to at a steady rate, while one process after the other gives it
another key: two wrap at once and one of them is killed somewhere, the other takes over what it
left; a project is sealed anew, killed, and begun again. Every read must give a password that was
acknowledged before it began or sent before it ended; at the end nothing hangs on an old key,
everything opens, and every login has the last password that was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from regcred.bootstrap.state import State, open_state
from regcred.settings import Settings
from tests.tools.inside import add_login, add_project
from tests.tools.programs import Daemon
from tools.campaign.counted_logins import Load, Login
from tools.campaign.installation import Installation
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace

SEED = 20261130
PROJECTS, LOGINS, KILLS = 10_000, 100_000, 10
"""Seeds that are wrapped anew each time, logins of the project that is sealed anew, and kills."""

_AT_ONCE = 200
_APART = 100
_ROTATOR = Path(__file__).with_name("rotator.py")
_BASELINE_SECONDS = 3.0


def run(scale: float) -> Report:
    """Change the keys of the real server, and those of one with a careless rotator."""
    report = Report(
        "F11 keys change under load, SQLite",
        SEED,
        demands={"seeds wrapped anew": PROJECTS * KILLS, "rows sealed anew": LOGINS},
        at_most={"read p99, times that without": 1.5},
    )
    control = Report("control", SEED)
    with workspace("f11") as folder:
        asyncio.run(_campaign(folder, scale, report, control))
    found = control.violations[0] if control.violations else ""
    report.controls.append(Control("seals anew without comparing", bool(control.violations), found))
    return report


async def _campaign(folder: Path, scale: float, report: Report, control: Report) -> None:
    installation = Installation(folder)
    load, apart = await _filled(installation, scale, report, control)
    chance = random.Random(SEED)
    with _serving(installation):
        await installation.ready()
        with load.running():
            await asyncio.sleep(_BASELINE_SECONDS * _at_least_a_fifth(scale))
            before = _p99(load)
            for _ in range(scaled(KILLS, scale)):
                await _another_key(installation, report, chance)
            await _another_seed(installation, report, chance)
            during = _p99(load)
        await load.look_at_all()
        await _done(installation, report, "verify")
        report.violations += installation.damage()
        # The last of all: it spoils what it seals.
        with apart.running():
            await _done(installation, control, "reseal", "2", careless=True)
        await apart.look_at_all()
    report.counts["read p99, times that without"] = round(during / before, 2)


async def _another_key(installation: Installation, report: Report, chance: random.Random) -> None:
    await _done(installation, report, "rotate")
    one, other = [await _started(installation, "rewrap") for _ in range(2)]
    await asyncio.sleep(chance.uniform(0.3, 1.5))
    killed, left = (one, other) if chance.random() < 0.5 else (other, one)  # noqa: PLR2004  a coin
    await _kill(killed, report)
    await _ended(left, report, "rewrap")
    held = installation.rows("SELECT kid, count(*) FROM project_seeds GROUP BY kid")
    services = installation.rows("SELECT kid FROM service_keys")
    if len(held) != 1 or {row[0] for row in services} != {held[0][0]}:
        report.violations.append(f"an old key is still needed: {held}, {services}")
    report.add("seeds wrapped anew", held[0][1])


async def _another_seed(installation: Installation, report: Report, chance: random.Random) -> None:
    first = await _started(installation, "reseal", "1")
    await asyncio.sleep(chance.uniform(0.5, 1.5))
    await _kill(first, report)
    await _done(installation, report, "reseal", "1")
    rows = installation.rows(
        "SELECT seed_generation, count(*) FROM credential_secrets x JOIN projects p"
        " ON p.id = x.project_id WHERE p.number = 1 GROUP BY seed_generation"
    )
    seeds = installation.rows("SELECT count(*) FROM project_seeds GROUP BY project_id")
    if len(rows) != 1 or rows[0][0] == 1 or {row[0] for row in seeds} != {1}:
        report.violations.append(f"an old seed is still there: {rows}, {seeds[:3]}")
    report.add("rows sealed anew", rows[0][1])


async def _started(
    installation: Installation, *command: str, careless: bool = False
) -> asyncio.subprocess.Process:
    words = [sys.executable, str(_ROTATOR), *(["--careless"] if careless else [])]
    return await asyncio.create_subprocess_exec(
        *words,
        "keys",
        *command,
        "--data",
        str(installation.service.data),
        env=dict(installation.service.env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def _ended(process: asyncio.subprocess.Process, report: Report, what: str) -> None:
    said, _ = await process.communicate()
    if process.returncode != 0:
        report.violations.append(f"{what} ended with {process.returncode}: {said.decode()[-500:]}")


async def _done(
    installation: Installation, report: Report, *command: str, careless: bool = False
) -> None:
    process = await _started(installation, *command, careless=careless)
    await _ended(process, report, " ".join(command))


async def _kill(process: asyncio.subprocess.Process, report: Report) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()
    # It may have been done already: then nothing was interrupted.
    report.add("rotators killed", process.returncode != 0)


@contextmanager
def _serving(installation: Installation) -> Iterator[Daemon]:
    daemon = installation.start()
    try:
        yield daemon
    finally:
        daemon.stop()


def _at_least_a_fifth(scale: float) -> float:
    return min(1.0, max(scale, 0.2))


def _p99(load: Load) -> float:
    seconds = sorted(load.seconds)
    load.seconds.clear()
    return seconds[int(len(seconds) * 0.99)]


async def _filled(
    installation: Installation, scale: float, report: Report, control: Report
) -> tuple[Load, Load]:
    """Return the load of a project of many logins and of many with one; and project 2's alone."""
    made = [Login(1, number) for number in range(1, scaled(LOGINS, scale, least=200) + 1)]
    projects = scaled(PROJECTS, scale, least=20)
    async with open_state(Settings(data=installation.service.data), exclusive=True) as state:
        first = await state.store.find_project(1)
        await _add_logins(state, first.id, made)
        second = await add_project(state, "project-2")
        apart = [Login(second.number, number) for number in range(1, _APART + 1)]
        await _add_logins(state, second.id, apart)
        for start in range(3, projects + 1, _AT_ONCE):
            numbers = range(start, min(projects + 1, start + _AT_ONCE))
            adding = (add_project(state, f"project-{number}") for number in numbers)
            for project in await asyncio.gather(*adding):
                login = Login(project.number, 1)
                await _add_logins(state, project.id, [login])
                made.append(login)
    rate = _at_least_a_fifth(scale)
    return Load(installation, made, report, rate), Load(installation, apart, control, 1.0)


async def _add_logins(state: State, project_id: UUID, logins: list[Login]) -> None:
    for start in range(0, len(logins), _AT_ONCE):
        adding = (
            add_login(state, project_id, login.name, login.host, "password-0")
            for login in logins[start : start + _AT_ONCE]
        )
        await asyncio.gather(*adding)
