"""Link audit rows into the chain, anchor its head, and notice a store that was set back or edited.

Writers never queue for the chain: a row carries its own MAC when it commits, and this keeper
links what committed, in order, about once a second. The head is anchored outside the store, so a
store restored from an older copy no longer agrees with it (security facts, A10).

The one thing you would get wrong: what to start from. Whatever of the chain lay in the store
could be forged there, so it is computed anew from the first row at every start (2 to 3
microseconds a row), compared with the anchor, and kept in memory from then on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import structlog

from regcred.adapters.sealing.anchor import Anchor, Comparison, FileAnchor, compare
from regcred.adapters.sealing.audit_chain import GENESIS, AuditChain
from regcred.adapters.storage.sql.set_back import SetBack
from regcred.bootstrap.heartbeat import Heartbeat
from regcred.bootstrap.stores import OpenStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import StartRefused
from regcred.domain.ports import Clock
from regcred.web.unexpected import kind_and_place

EVERY = 1.0
"""Seconds between two links."""

LOOK_EVERY = 60
"""Links between two looks for rows that were set back."""

PAUSE = 0.01
"""Seconds between two slices of the walk that verifies every row: about 10,000 rows a second."""

_LATE = 30.0
_BATCH = 500
_SLICE = 100
_log = structlog.get_logger("regcred.audit")

_REFUSED = (
    "the store was set back or edited: {what}. Restore the newest copy, or, if you set it back "
    "on purpose, start once with --accept-rollback"
)
_OLDER = "its audit is older than its anchor"
_ANOTHER = "its audit is not the one that was anchored"
_NO_ANCHOR = "a store that was set back before now is not noticed; a new anchor is written"


@dataclass(slots=True)
class AuditKeeper:
    """Keeps one store's chain and its anchor."""

    store: OpenStore
    chain: AuditChain
    anchor: FileAnchor
    clock: Clock
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(_LATE), init=False)
    _upto: int = field(default=0, init=False)
    _head: bytes = field(default=GENESIS, init=False)
    """The chain's head after row number `_upto`, as this keeper computed it."""

    _edited: int = field(default=0, init=False)
    """A row that was found edited or missing, and not accepted; it goes into the anchor."""

    _anchored: int | None = field(default=None, init=False)
    """Where this keeper put the anchor; None: not yet, so it is put there even without new rows."""

    _moving: Lock = field(default_factory=Lock, init=False)

    @property
    def upto(self) -> int:
        """The last row that is in the chain."""
        return self._upto

    @property
    def edited(self) -> bool:
        """Whether a row was found edited or missing, and nobody accepted it yet."""
        return bool(self._edited)

    async def check(self, *, accept_rollback: bool) -> None:
        """Pass if the store is as new, and its audit as it was, as the anchor and the audit say.

        Raise StartRefused; with `accept_rollback` the finding is logged, audited and anchored
        anew instead. Raise SealBroken at an audit row that was never signed.
        """
        anchored = self.anchor.load()
        if anchored is None and await self.store.last_number():
            _log.warning("the audit has no anchor", reason=_NO_ANCHOR)
        found = await self._look(anchored)
        if found is None:
            self._edited = 0
            return
        if not accept_rollback:
            raise StartRefused(_REFUSED.format(what=found))
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
        self._edited, self._anchored = 0, None
        await self.link()

    async def run(self) -> None:
        """Link about once a second, look for older rows once a minute, verify every row once.

        Until cancelled; what is found and what fails is loud, and tried again.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep())
            both.create_task(self.verify_all())

    async def link(self) -> None:
        """Link every committed row that is not linked yet, then move the anchor.

        Raise SealBroken at a row that was never signed, StoreUnavailable, OSError.
        """
        # Up to where it was when asked: under load new rows would never let this end.
        missing = await self._link_to(await self.store.last_number())
        if missing:
            _log.error("the audit was edited", reason=f"row {missing} is missing")
            self._mark(missing)
        # Never back by itself: an anchor that is ahead says that the store was set back.
        if self._anchored is None or self._upto > self._anchored:
            anchor = Anchor(self._upto, self._head, self.clock(), self._edited)
            await asyncio.to_thread(self._move_anchor, anchor)
            self._anchored = anchor.upto
        self.heartbeat.beat()

    async def verify_all(self) -> None:
        """Verify every row that is there now, a few at a time; newer ones this process writes.

        An edited row is logged, and the next start verifies everything first and refuses. Where
        the last rows vanished meanwhile, it ends: `_keep` tells of them.
        """
        upto, newest = 0, None
        while newest is None or upto < newest:
            try:
                newest = await self.store.last_number() if newest is None else newest
                reached, edited = await self.store.edited_after(upto, _SLICE)
                accepted = await self.store.last_acceptance() if edited else 0
            except Exception as error:  # noqa: BLE001  whatever it is, the keeper lives on
                _log.error("the audit cannot be verified", **kind_and_place(error))
                await asyncio.sleep(EVERY * LOOK_EVERY)
                continue
            if reached == upto:
                break
            upto = reached
            if edited:
                _log.error("the audit was edited", reason=f"row {edited[0]}", count=len(edited))
            if new := [number for number in edited if number > accepted]:
                self._mark(new[0])
            await asyncio.sleep(PAUSE)

    async def _keep(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(EVERY)
            try:
                await self.link()
                if turn % LOOK_EVERY == 0 and (found := await self._set_back_beside()):
                    _log.error("the store was set back", reason=found)
            except Exception as error:  # noqa: BLE001  whatever it is, the keeper lives on
                _log.error("audit chain stands still", **kind_and_place(error))

    async def _link_to(self, upto: int) -> int:
        """Go on with the chain to row `upto`, and return the first number that is missing, or 0.

        Numbers are given without gaps. What was missing when a rollback was accepted is not
        told again.
        """
        missing = 0
        while rows := [row for row in await self._next() if row[0] <= upto]:
            head = self.chain.link(self._head, [mac for _, mac in rows])
            missing = missing or await self._missing_before(rows)
            self._upto, self._head = rows[-1][0], head
            await asyncio.sleep(0)  # requests go first
        return missing

    async def _missing_before(self, rows: Sequence[tuple[int, bytes]]) -> int:
        if rows[-1][0] - self._upto == len(rows):
            return 0
        accepted, before = await self.store.last_acceptance(), self._upto
        for number, _ in rows:
            if number != before + 1 and number > accepted:
                return before + 1
            before = number
        return 0

    async def _next(self) -> Sequence[tuple[int, bytes]]:
        return await self.store.macs_after(self._upto, _BATCH)

    def _mark(self, number: int) -> None:
        """Have the next start verify every row."""
        self._edited, self._anchored = number, None

    def _move_anchor(self, anchor: Anchor) -> None:
        # A keeper that was cancelled may have left a thread in here.
        with self._moving:
            self.anchor.save(anchor)

    async def _look(self, anchored: Anchor | None) -> str | None:
        """Return in what way the store is not what it should be at start, if it is not."""
        newest = await self.store.last_number()
        verified = newest if anchored is None else 0 if anchored.edited else anchored.upto
        missing = 0
        if anchored is not None:
            self._upto, self._head = 0, GENESIS
            missing = await self._link_to(anchored.upto)
            head = self._head if self._upto == anchored.upto else None
            if compare(anchored, head, newest) is Comparison.ROLLED_BACK:
                return _OLDER if newest < anchored.upto else _ANOTHER
        missing = missing or await self._link_to(newest)
        if missing:
            return f"row {missing} of its audit is missing"
        # What nothing anchored yet, and what the looks below go by, before they are believed.
        accepted = await self.store.last_acceptance()
        edited = await self._first_edited(max(verified, accepted), deciding=False)
        edited = edited or await self._first_edited(accepted, deciding=True)
        return f"row {edited} of its audit was edited" if edited else await self._set_back()

    async def _first_edited(self, upto: int, *, deciding: bool) -> int:
        reached = None
        while reached != upto:
            reached = upto
            upto, edited = await self.store.edited_after(upto, _SLICE, deciding=deciding)
            if edited:
                return edited[0]
            await asyncio.sleep(0)
        return 0

    async def _set_back(self) -> str | None:
        """Return in what way the store is older than it should be, if it is."""
        return await set_back(self.store, self._upto)

    async def _set_back_beside(self) -> str | None:
        """Look as `_set_back` does, while requests go on: it takes 0.2 s at 100,000 credentials."""
        return await self.store.look_apart(lambda looks: set_back(looks, self._upto))


async def set_back(store: SetBack, upto: int) -> str | None:
    """Return in what way a store is older than its audit, which reached row `upto`, if it is."""
    if await store.last_number() < upto:
        return _OLDER
    looks = (
        (store.secret_versions_behind_audit, "secrets are older than its audit says"),
        (store.key_versions_behind_audit, "keys are older than its audit says"),
        (store.credentials_back_from_deletion, "credentials were deleted, and are there again"),
        (store.keys_back_from_deletion, "keys were deleted, and are there again"),
        (store.webhooks_behind_audit, "webhooks are older than its audit says"),
        (store.webhooks_back_from_deletion, "webhooks were deleted, and are there again"),
        (store.clusters_behind_audit, "clusters are older than its audit says"),
        (store.pods_back_from_deletion, "clusters or workloads were deleted, and are there again"),
    )
    for look, what in looks:
        if found := await look():
            return f"{len(found)} of its {what}"
    return None
