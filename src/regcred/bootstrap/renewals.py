"""Renew exchanged logins beside the server, ahead of their end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from regcred.domain.ports import LoginPlace
from regcred.usecases.exchange_logins import ExchangeLogins

EVERY = 1.0
"""Seconds between two looks for what is due, when nothing was."""

AT_ONCE = 16
"""Exchanges that one turn runs side by side."""

_log = structlog.get_logger("regcred.renewals")


@dataclass(frozen=True, slots=True)
class Renewals:
    """One worker's share: any number of them claim from one store, and none takes another's."""

    exchanges: ExchangeLogins

    async def run(self) -> None:
        """Renew what is due until cancelled; what fails is loud, and tried again."""
        while True:
            try:
                renewed = await self.turn()
            except Exception as error:  # noqa: BLE001  whatever it is, the loop lives on
                _log.error("renewing logins stands still", error=type(error).__name__)
                renewed = 0
            if renewed < AT_ONCE:
                await asyncio.sleep(EVERY)

    async def turn(self) -> int:
        """Renew what is due now, up to a turn's worth, and return how many that were."""
        due = await self.exchanges.claim_due(AT_ONCE)
        await asyncio.gather(*(self._renew(place, claim) for place, claim in due))
        return len(due)

    async def _renew(self, place: LoginPlace, claim: str) -> None:
        try:
            await self.exchanges.renew(place, claim)
        except Exception as error:  # noqa: BLE001  one that fails takes no other with it
            # The claim runs out, and it is due again.
            _log.error("a login was not renewed", error=type(error).__name__)
