"""Link audit rows into the chain, anchor its head, and notice a store that was set back.

Writers never queue for the chain: a row carries its own MAC when it commits, and this keeper
links what committed, in order, about once a second. The head is anchored outside the store, so a
store restored from an older copy no longer agrees with it (security facts, A10).
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from threading import Lock

import structlog

from regcred.adapters.sealing.anchor import Anchor, Comparison, FileAnchor, compare
from regcred.adapters.sealing.audit_chain import GENESIS, AuditChain
from regcred.adapters.storage.sqlite.store import SqliteStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import RegcredError, StartRefused
from regcred.domain.ports import Clock

EVERY = 1.0
"""Seconds between two links."""

LOOK_EVERY = 60
"""Links between two looks for secrets that were set back."""

_BATCH = 500
_log = structlog.get_logger("regcred.audit")

_ROLLED_BACK = (
    "the store was set back: {what}. Restore the newest copy, or, if you set it back on purpose, "
    "start once with --accept-rollback"
)


@dataclass(slots=True)
class AuditKeeper:
    """Keeps one store's chain and its anchor."""

    store: SqliteStore
    chain: AuditChain
    anchor: FileAnchor
    clock: Clock
    _anchored: int | None = field(default=None, init=False)
    """Where this keeper put the anchor; None: not yet, so it is put there even without new rows."""

    _moving: Lock = field(default_factory=Lock, init=False)

    async def check(self, *, accept_rollback: bool) -> None:
        """Pass if the store is at least as new as the anchor and the audit say.

        Raise StartRefused; with `accept_rollback` the finding is logged, audited and anchored
        anew instead.
        """
        found = self._set_back()
        if found is None:
            return
        if not accept_rollback:
            raise StartRefused(_ROLLED_BACK.format(what=found))
        _log.warning("rollback accepted", reason=found)
        await self.store.accept_rollback(
            AuditEvent(
                Action.ROLLBACK_ACCEPTED,
                NO_PROJECT,
                "operator:cli",
                self.clock(),
                details={"found": found},
            )
        )
        self._anchored = None
        await self.link()

    async def run(self) -> None:
        """Link about once a second and look for rolled-back secrets once a minute.

        Until cancelled; what is found and what fails is loud, and tried again.
        """
        for turn in itertools.count(1):
            await asyncio.sleep(EVERY)
            try:
                await self.link()
                if turn % LOOK_EVERY == 0 and (found := self._set_back()):
                    _log.error("the store was set back", reason=found)
            except (RegcredError, OSError) as error:
                _log.error("audit chain stands still", error=type(error).__name__)

    async def link(self) -> None:
        """Link every committed row that is not linked yet, then move the anchor.

        Raise SealBroken at a row that was never signed, StoreUnavailable, OSError.
        """
        last = self.store.last_checkpoint()
        upto, head = (last.upto, last.head) if last else (0, GENESIS)
        # Up to where it was when asked: under load new rows would never let this end.
        newest = self.store.last_number()
        while upto < newest:
            rows = self.store.macs_after(upto, _BATCH)
            head = self.chain.link(head, [mac for _, mac in rows])
            upto = rows[-1][0]
            await asyncio.sleep(0)  # requests go first
        if last is None or upto > last.upto:
            await self.store.add_checkpoint(upto, head, self.clock())
        # Never back by itself: an anchor that is ahead says that the store was set back.
        if self._anchored is None or upto > self._anchored:
            await asyncio.to_thread(self._move_anchor, Anchor(upto, head, self.clock()))
            self._anchored = upto

    def _move_anchor(self, anchor: Anchor) -> None:
        # A keeper that was cancelled may have left a thread in here.
        with self._moving:
            self.anchor.save(anchor)

    def _set_back(self) -> str | None:
        """Return in what way the store is older than it should be, if it is."""
        anchored = self.anchor.load()
        if anchored is not None:
            there = self.store.checkpoint_at(anchored.upto)
            head = GENESIS if anchored.upto == 0 else there.head if there else None
            if compare(anchored, head, self.store.last_number()) is Comparison.ROLLED_BACK:
                return "its audit is older than its anchor"
        behind = self.store.secret_versions_behind_audit()
        if behind:
            return f"{len(behind)} of its secrets are older than its audit says"
        back = self.store.keys_back_from_deletion()
        return f"{len(back)} of its keys were deleted, and are there again" if back else None
