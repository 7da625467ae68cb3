"""Let audit rows go once they are older than the operator wants to keep them.

The one thing you would get wrong: what stands for them then. Rows go only up to a signed state of
the chain, which from then on is where the chain begins, and only once this process has verified
them; what decides whether something was set back stays for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from regcred.adapters.sealing.anchor import FileAnchor
from regcred.adapters.sealing.audit_chain import AuditChain, ChainState
from regcred.bootstrap.audit_links import base_of, signed, trusted
from regcred.bootstrap.shift import Rounds, alone
from regcred.bootstrap.stores import OpenStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.ports import Clock
from regcred.web.unexpected import kind_and_place

EVERY = 3600.0
"""Seconds between two looks for what has grown too old."""

PAUSE = 0.02
"""Seconds between two transactions of pruning."""

_log = structlog.get_logger("regcred.audit")


@dataclass(slots=True)
class AuditPruner:
    """Prunes one store's audit; `days` None keeps it for ever."""

    store: OpenStore
    chain: AuditChain
    anchor: FileAnchor
    clock: Clock
    days: int | None
    mine: Callable[[], Awaitable[bool]] = alone
    """Whether this process is the one that prunes now. Raises StoreUnavailable."""

    async def run(self) -> None:
        """Take turns until cancelled; what fails is loud, and tried again."""
        rounds = Rounds(self.mine)
        while self.days is not None:
            try:
                if await rounds.may_go_on():
                    await self.turn(timedelta(days=self.days))
                    rounds.end()
            except Exception as error:  # noqa: BLE001  whatever it is, the next turn comes
                _log.error("the audit cannot be pruned", **kind_and_place(error))
            await asyncio.sleep(EVERY)

    async def turn(self, age: timedelta) -> None:
        """Prune what is older than `age`, and what an earlier turn left when it was cut off.

        Raise StoreUnavailable, StartRefused for an anchor that cannot be read.
        """
        stored = await self.store.checkpoints()
        base = base_of(self.chain, stored)
        anchored = await asyncio.to_thread(self.anchor.load)
        oldest = self.clock() - age
        if anchored is not None and not anchored.edited:
            old = (
                state
                for state in trusted(self.chain, stored)
                if base.number < state.number <= anchored.upto and state.at <= oldest
            )
            if (newer := next(old, None)) is not None:
                await self._begin(newer)
                base = newer
        after = 0
        while after < base.number:
            after = await self.store.prune(after, base.number)
            await asyncio.sleep(PAUSE)

    async def _begin(self, upto: ChainState) -> None:
        event = AuditEvent(
            Action.AUDIT_PRUNED,
            NO_PROJECT,
            "regcred:retention",
            self.clock(),
            details={"upto": upto.number, "written_until": upto.at.isoformat()},
        )
        await self.store.begin_pruning(signed(self.chain, upto, pruned=True), event)
        _log.info("the audit is pruned", upto=upto.number)
