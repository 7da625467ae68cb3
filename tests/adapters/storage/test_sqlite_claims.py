"""Several processes on one store: each login that is due is asked about once, by one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.ports import SealContext, SealedSecret
from regcred.domain.secret import Secret
from regcred.usecases.seal_secret import PASSWORD_FIELD
from tests.adapters.storage.samples import START, Clock, World, a_credential, seed
from tests.fakes.sealer import PlainSealer
from tests.tools.programs import unfollowed

ROOT = Path(__file__).resolve().parents[3]
LOGINS = 200


def start(directory: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.storage.claim_child", str(directory), "3", *words],
        cwd=ROOT,
        env=unfollowed({**os.environ, "PYTHONPATH": str(ROOT / "src")}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def fill(store: SqliteStore, clock: Clock) -> None:
    world = await World(store, clock).begin()
    for n in range(LOGINS):
        login = a_credential(world.id, f"login{n}", username=f"user{n}")
        context = SealContext(str(world.id), str(login.id), PASSWORD_FIELD, 1, login.delivery)
        sealed = await PlainSealer().seal(seed("alpha"), context, Secret("x"))
        secret = SealedSecret(1, seed("alpha"), sealed)
        await store.create_credential(login, secret, world.created(login))


def asked_by_four(directory: Path, *words: str) -> list[Counter[str]]:
    """Return whom each of four processes, begun together, asked about."""
    with ExitStack() as running:
        children = [running.enter_context(start(directory, *words)) for _ in range(4)]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        made = [Counter(child.communicate(timeout=60)[0].split()) for child in children]
    assert [child.returncode for child in children] == [0] * 4
    return made


async def test_four_processes_ask_about_each_of_200_logins_once(
    sqlite_store: SqliteStore, directory: Path, clock: Clock
) -> None:
    await fill(sqlite_store, clock)
    due = START + timedelta(days=2)
    assert await sqlite_store.checks_due(due) == LOGINS

    made = asked_by_four(directory)

    assert sum(made, Counter()) == {f"user{n}": 1 for n in range(LOGINS)}
    assert sum(map(bool, made)) > 1, "only one process worked: nothing is shown"
    assert await sqlite_store.checks_due(due + timedelta(minutes=10)) == 0


async def test_without_claims_the_same_would_be_asked_twice(
    sqlite_store: SqliteStore, directory: Path, clock: Clock
) -> None:
    """The control: it shows that the test above can fail."""
    await fill(sqlite_store, clock)

    made = asked_by_four(directory, "looking")

    assert max(sum(made, Counter()).values()) > 1
