"""Check logins that nobody asked about, beside the server: a turn every few seconds.

Any number of processes may run one: who claims a check is decided in the store. What a process
that died had claimed is due again when its lease ends.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from regcred.bootstrap.heartbeat import Heartbeat
from regcred.domain.errors import QuotaExceeded
from regcred.domain.ports import DueCheck
from regcred.domain.schedule import SOONEST
from regcred.usecases.recheck_credentials import RecheckCredentials
from regcred.web.unexpected import kind_and_place

EVERY = 5.0
"""Seconds between two turns."""

LEASE = SOONEST
"""How long a claim lasts: many times what its checks take, and less than any plan's beginning."""

_PLANNED = 200
"""Logins planned in one step after an interval changed: a few milliseconds of the store's."""

_STEPS = 10
"""Such steps between two batches of checks; other writes and requests come between two steps."""

_LATE = 300.0
"""Longer than a batch of checks that all time out."""

_ANNOUNCED = 100
_CLAIMED_FOR_EACH = 4
"""Checks claimed at once for each place: few wait long, and places are seldom empty."""

_log = structlog.get_logger("regcred.recheck")


@dataclass(frozen=True, slots=True)
class Rechecker:
    """Runs the turns. With `checks` off, ends that come near are announced all the same."""

    recheck: RecheckCredentials
    at_once: int
    checks: bool = True
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(_LATE))

    async def run(self) -> None:
        """Take turns until cancelled; what fails is loud, and tried again."""
        while True:
            try:
                await self.turn()
            except Exception as error:  # noqa: BLE001  whatever it is, the next turn comes
                _log.error("automatic checks stand still", **kind_and_place(error))
            await asyncio.sleep(EVERY)

    async def turn(self) -> int:
        """Announce, plan and check what is due now; return how many checks were made.

        Raise StoreUnavailable.
        """
        made = 0
        while True:
            # Between two batches too: a long backlog holds up nothing else.
            await self.recheck.announce(_ANNOUNCED)
            self.heartbeat.beat()
            if not self.checks:
                return made
            await self._plan()
            claimed = await self.recheck.claim(LEASE, self.at_once * _CLAIMED_FOR_EACH)
            if not claimed:
                return made
            places = asyncio.Semaphore(self.at_once)
            async with asyncio.TaskGroup() as checking:
                tasks = [checking.create_task(self._check(due, places)) for due in claimed]
            refused = [task.result() for task in tasks].count(False)
            if refused:
                _log.info("automatic checks wait for their turn", count=refused)
            made += len(claimed) - refused

    async def _plan(self) -> None:
        for _ in range(_STEPS):
            if not await self.recheck.plan(_PLANNED):
                return

    async def _check(self, due: DueCheck, places: asyncio.Semaphore) -> bool:
        """Make one check; whatever becomes of it, the others go on. False: our bounds refused."""
        refused: Exception | None
        async with places:
            try:
                refused = await self.recheck.check(due)
            except Exception as error:  # noqa: BLE001  one login's failure is no other's
                refused = error
                with suppress(Exception):
                    await self.recheck.postpone(due)
        if isinstance(refused, QuotaExceeded):
            return False
        if refused is not None:
            _log.warning(
                "automatic check not made",
                **kind_and_place(refused),
                project=str(due.project_id),
            )
        return True
