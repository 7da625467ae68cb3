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

ROOT = Path(__file__).resolve().parents[3]
LOGINS = 200


def start(directory: Path, at_once: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.storage.claim_child", str(directory), str(at_once)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_four_processes_ask_about_each_of_200_logins_once(
    directory: Path, clock: Clock
) -> None:
    store = SqliteStore.open(directory, clock=clock)
    world = await World(store, clock).begin()
    for n in range(LOGINS):
        login = a_credential(world.id, f"login{n}", username=f"user{n}")
        context = SealContext(str(world.id), str(login.id), PASSWORD_FIELD, 1, login.delivery)
        sealed = await PlainSealer().seal(seed("alpha"), context, Secret("x"))
        secret = SealedSecret(1, seed("alpha"), sealed)
        await store.create_credential(login, secret, world.created(login))
    due = START + timedelta(days=2)
    assert await store.checks_due(due) == LOGINS

    with ExitStack() as running:
        children = [running.enter_context(start(directory, 3)) for _ in range(4)]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        made = [Counter((child.communicate(timeout=60)[0]).split()) for child in children]

    assert [child.returncode for child in children] == [0] * 4
    assert sum(made, Counter()) == {f"user{n}": 1 for n in range(LOGINS)}
    assert sum(bool(counted) for counted in made) > 1, "only one process worked: nothing is shown"
    assert await store.checks_due(due + timedelta(minutes=10)) == 0
    store.close()
