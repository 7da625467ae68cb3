"""Exchange what is due beside the server: first logins that pulls wait for, and renewals."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from regcred.bootstrap.heartbeat import Heartbeat
from regcred.domain.ports import Bell, LoginPlace
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.web.unexpected import kind_and_place

EVERY = 1.0
"""Seconds between two looks for what is due, when nobody rings."""

AT_ONCE = 16
"""Exchanges under way at once: a slow cloud takes places, and never all of a turn."""

_MANY = 4
"""Places that must be free before more is claimed, so that every claim has room for a renewal."""

_LATE = 60.0
"""Longer than exchanges that all time out."""

_log = structlog.get_logger("regcred.renewals")


@dataclass(slots=True)
class Renewals:
    """One worker's share: any number of them claim from one store, and none takes another's."""

    exchanges: ExchangeLogins
    due: Bell
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(_LATE), init=False)
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Exchange what is due until cancelled, and take what is under way along."""
        try:
            while True:
                if await self.begin() == 0:
                    await self._rest()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def turn(self) -> int:
        """Exchange what is due now, to its end; return how many exchanges that were."""
        begun = await self.begin()
        while self._running:
            await asyncio.wait(self._running)
        return begun

    async def begin(self) -> int:
        """Begin exchanges for the free places; return how many. What fails is loud."""
        free = AT_ONCE - len(self._running)
        if free < _MANY:
            return 0
        try:
            due = await self.exchanges.claim_due(free)
        except Exception as error:  # noqa: BLE001  whatever it is, the loop lives on
            _log.error("renewing logins stands still", **kind_and_place(error))
            return 0
        self.heartbeat.beat()
        for place, claim in due:
            task = asyncio.create_task(self._renew(place, claim))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(due)

    async def _rest(self) -> None:
        """Wait for free places if too few are, else for the bell or a while."""
        if AT_ONCE - len(self._running) < _MANY:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        else:
            await self.due.wait(EVERY)

    async def _renew(self, place: LoginPlace, claim: str) -> None:
        try:
            await self.exchanges.renew(place, claim)
        except Exception as error:  # noqa: BLE001  one that fails takes no other with it
            # It is due again later.
            _log.error("a login was not renewed", **kind_and_place(error))
