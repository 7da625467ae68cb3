"""Deliver events beside the server: look for what is due, send it, a few at a time.

What fails is loud and never the end of it. A delivery that is cut short by the end of the service
stays in the outbox, and is sent again once its lease is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from regcred.bootstrap.heartbeat import Heartbeat
from regcred.domain.ports import Claimed
from regcred.usecases.deliver_events import DeliverEvents
from regcred.web.unexpected import kind_and_place

EVERY = 1.0
"""Seconds between two looks while nothing is due."""

AT_ONCE = 16
"""Deliveries under way at once."""

_LATE = 60.0
"""Longer than deliveries that all time out."""

_log = structlog.get_logger("regcred.webhooks")


@dataclass(slots=True)
class WebhookKeeper:
    """Runs deliveries; a webhook has one under way at a time, so each place is another's."""

    events: DeliverEvents
    every: float = EVERY
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(_LATE), init=False)
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Deliver until cancelled, and take what is under way along."""
        try:
            while True:
                claims = await self._claim()
                for claimed in claims:
                    self._running.add(asyncio.create_task(self._deliver(claimed)))
                await self._rest()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _claim(self) -> Sequence[Claimed]:
        free = AT_ONCE - len(self._running)
        if not free:
            return ()
        try:
            claims = await self.events.claim(free)
        except Exception as error:  # noqa: BLE001  whatever it is, the keeper lives on
            _log.error("events cannot be claimed", **kind_and_place(error))
            return ()
        self.heartbeat.beat()
        return claims

    async def _deliver(self, claimed: Claimed) -> None:
        project = str(claimed.webhook.project_id)
        try:
            status = await self.events.deliver(claimed)
        except Exception as error:  # noqa: BLE001  as above; the claim ends with its lease
            _log.error("an event cannot be delivered", **kind_and_place(error), project=project)
            return
        if status is not None:
            _log.info("event delivery", status=str(status), project=project)

    async def _rest(self) -> None:
        """Wait a while, or until a place is free: the next of that webhook goes at once."""
        if not self._running:
            await asyncio.sleep(self.every)
            return
        _, self._running = await asyncio.wait(
            self._running, timeout=self.every, return_when=asyncio.FIRST_COMPLETED
        )
