"""A process that makes every automatic check which it can claim, and says which it made.

Run as `python -m tests.adapters.storage.claim_child DIRECTORY AT_ONCE [looking]`. It begins when a
line comes on its standard input, so that several begin together. With `looking` it only looks
what is due instead of claiming it: the control that the test must catch.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from regcred.adapters.registries.registries import RealRegistries
from regcred.adapters.storage.sql import checks
from regcred.adapters.storage.sql.rows import micros
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.bootstrap.rechecker import Rechecker
from regcred.domain.credential import Delivery
from regcred.domain.ports import DueCheck
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind
from regcred.usecases.recheck_credentials import RecheckCredentials
from tests.adapters.storage.samples import START, Clock
from tests.fakes.sealer import PlainSealer


class SlowRegistries(RealRegistries):
    """Say who was asked about, after a while in which another worker could have asked too."""

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        print(delivery.username, flush=True)  # noqa: T201  what the test reads
        await asyncio.sleep(0.005)
        return Verdict(VerdictKind.OK, self._clock())


async def look(
    self: checks.Checks, now: datetime, lease: timedelta, limit: int
) -> Sequence[DueCheck]:
    rows = await self._all(checks._CHECKS, (micros(now), limit))
    return [
        DueCheck(UUID(project), UUID(id_), image, timedelta(seconds=every), failures, now + lease)
        for project, id_, image, failures, every in rows
    ]


async def check(directory: Path, at_once: int) -> None:
    clock = Clock(START + timedelta(days=2))
    store = SqliteStore.open(directory, clock=clock)
    registries = SlowRegistries(clock, time.monotonic)
    recheck = RecheckCredentials(store, PlainSealer(), registries, clock)
    sys.stdin.readline()
    await Rechecker(recheck, at_once).turn()
    store.close()


if __name__ == "__main__":
    if "looking" in sys.argv:
        checks.Checks.claim_checks = look  # type: ignore[method-assign]  # the planted fault
    asyncio.run(check(Path(sys.argv[1]), int(sys.argv[2])))
