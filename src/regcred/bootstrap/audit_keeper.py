"""Link audit rows into the chain, anchor its head, and notice a store that was set back or edited.

Writers never queue for the chain: a row carries its own MAC when it commits, and this keeper
links what committed, in order, about once a second. The head is anchored outside the store, so a
store restored from an older copy no longer agrees with it (security facts, A10).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from regcred.adapters.sealing.anchor import FileAnchor
from regcred.adapters.sealing.audit_chain import AuditChain, ChainState
from regcred.bootstrap.audit_alarms import AuditAlarms
from regcred.bootstrap.audit_anchoring import Anchoring
from regcred.bootstrap.audit_links import AuditLinks
from regcred.bootstrap.audit_pruning import AuditPruner
from regcred.bootstrap.audit_start import AuditStart
from regcred.bootstrap.audit_walk import AuditWalk, Step, may_cover
from regcred.bootstrap.heartbeat import Heartbeat
from regcred.bootstrap.set_back import set_back
from regcred.bootstrap.shift import Rounds, alone
from regcred.bootstrap.stores import OpenStore
from regcred.domain.errors import SealBroken, StartRefused
from regcred.domain.ports import Clock
from regcred.web.unexpected import kind_and_place

EVERY = 1.0
"""Seconds between two links."""

LOOK_EVERY = 60
"""Links between two looks for rows that were set back."""

LOOK_ANYWAY = 600.0
"""Seconds after which a process looks for them itself, though another has the lease: whoever sets
rows back could write that too."""

PAUSE = 0.01
"""Seconds between two steps of the walk that verifies every row: about 10,000 rows a second."""

ROUND_EVERY = 3600.0
"""Seconds between two such walks."""

ROUND_PAUSE = 0.1
"""Seconds between two steps of those after the first: about 1,000 rows a second."""

CHECKPOINT_EVERY = 10_000
"""Rows between two signed states: linking so many takes a start some 50 milliseconds."""

CHECKPOINT_AFTER = timedelta(days=1)
"""Time between two, where fewer rows come."""

_LATE = 30.0
_log = structlog.get_logger("regcred.audit")

_REFUSED = (
    "the store was set back or edited: {what}. Restore the newest copy, or, if you set it back "
    "on purpose, start once with --accept-rollback"
)
_UNSIGNED = "it is of a version that did not sign it, so anybody's; a signed one is written"
_NO_ANCHOR = "a store that was set back before now is not noticed; a new anchor is written"
_REPLACED = (
    "its file was replaced while it is served: what is written now is lost, stop the service"
)


@dataclass(slots=True)
class AuditKeeper:
    """Keeps one store's chain and its anchor."""

    store: OpenStore
    chain: AuditChain
    anchor: FileAnchor
    clock: Clock
    pruner: AuditPruner | None = None
    mine: Callable[[], Awaitable[bool]] = alone
    """Whether this process is the one that verifies every row again now."""

    looking: Callable[[], Awaitable[bool]] = alone
    """Whether it is the one that looks for rows that were set back. Both raise StoreUnavailable."""

    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(_LATE), init=False)
    _links: AuditLinks = field(init=False)
    _kept: ChainState = field(default_factory=ChainState, init=False)
    """The newest state that was signed, as far as this keeper knows."""

    _edited: int = field(default=0, init=False)
    """A row that was found edited or missing, and not accepted; it goes into the anchor."""

    alarms: AuditAlarms = field(default_factory=AuditAlarms, init=False)
    _anchoring: Anchoring = field(init=False)
    _looks: Rounds = field(init=False)

    def __post_init__(self) -> None:
        """Begin before the first row: a check finds out where the chain really begins."""
        self._links = AuditLinks(self.store, self.chain)
        self._looks = Rounds(self.looking, LOOK_ANYWAY)
        self._anchoring = Anchoring(self.anchor, self.clock, self.alarms, self.store.shared)

    @property
    def upto(self) -> int:
        """The last row that is in the chain."""
        return self._links.state.number

    @property
    def edited(self) -> bool:
        """Whether a row was found edited or missing, and nobody accepted it yet."""
        return bool(self._edited)

    async def check(self, *, accept_rollback: bool) -> None:
        """Pass if the store is as new, and its audit as it was, as the anchor and the audit say.

        Raise StartRefused; with `accept_rollback` the finding is logged, audited and anchored
        anew instead. Raise SealBroken at an audit row that was never signed.
        """
        claim = self.anchor.claim()
        anchored = None if claim else self.anchor.load()
        if anchored is None and await self.store.last_number():
            _log.warning("the audit has no anchor", reason=_UNSIGNED if claim else _NO_ANCHOR)
        start = AuditStart(self.store, self.chain, self._links)
        found = await start.look(anchored, claim, doubts=accept_rollback)
        if found is not None:
            if not accept_rollback:
                raise StartRefused(_REFUSED.format(what=found))
            _log.warning("rollback accepted", reason=found)
            await start.accept(found, self.clock())
        self._kept = start.began
        self._edited = 0
        self._anchoring.known = anchored
        self._anchoring.settled = anchored.edited if anchored else 0
        if found is not None:
            await self._links.to(await self.store.last_number())
            await self._anchoring.put(self._links.state)
            await self.link()

    async def run(self) -> None:
        """Link about once a second, look for older rows once a minute, verify every row.

        That at once, and then over and over.

        Until cancelled; what is found and what fails is loud, and tried again. Nothing is pruned
        before it was verified, nor where something was found.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep())
            whole = await self.verify_all()
            if self.pruner is not None and whole and not self._edited:
                both.create_task(self.pruner.run())
            both.create_task(self._rounds())

    async def link(self) -> None:
        """Link every committed row that is not linked yet, then move the anchor.

        Raise SealBroken at a row that was never signed, StoreUnavailable, OSError.
        """
        if not await self._links.holds():
            gone = self._links.state.number
            self._found(gone, f"row {gone} is not the one that was linked")
        anchored = await self._anchoring.read()
        # Up to where it was when asked: under load new rows would never let this end.
        newest = await self.store.last_number()
        missing = await self._links.to(min(anchored, newest))
        lifted = self._anchoring.lifted
        # Another process's start, or an operator's word to it, leaves no other trace.
        if lifted and await AuditWalk(self.store, self.chain).settled(lifted):
            self._anchoring.settled = lifted
        self._anchoring.compare(self._links.state, newest)
        missing = missing or await self._links.to(newest)
        if missing:
            self._found(missing, f"row {missing} is missing")
        state = self._links.state
        await self._anchoring.move(state, self._edited)
        if self._checkpoint_due():
            await self._links.keep()
            self._kept = state
        self.heartbeat.beat()

    async def verify_all(self) -> bool:
        """Verify every row that is there now, a few at a time; newer ones this process writes.

        An edited row is logged, and the next start verifies everything first and refuses. Where
        the last rows vanished meanwhile, it ends: `_keep` tells of them. Return whether it came
        to its end, which it does not at a row that was never signed.
        """
        return await self._verify(PAUSE, alone, first=True)

    async def _rounds(self) -> None:
        """Verify every row again and again, slowly, where it is for this process to do."""
        rounds = Rounds(self.mine)
        while True:
            await asyncio.sleep(ROUND_EVERY)
            if await self._verify(ROUND_PAUSE, rounds.may_go_on, first=False):
                rounds.end()

    async def _verify(
        self, pause: float, mine: Callable[[], Awaitable[bool]], *, first: bool
    ) -> bool:
        """Return whether every row was, and by this process; what fails is tried again."""
        walk, reached, goal = AuditWalk(self.store, self.chain), 0, self._links.state
        newest = None
        while True:
            try:
                if not await mine():
                    return False
                newest = await self.store.last_number() if newest is None else newest
                step = await walk.step(reached) if reached < newest else Step(reached, (), ())
                off = await walk.off(goal, pause) if step.reached == reached else None
            except Exception as error:  # noqa: BLE001  whatever it is, the keeper lives on
                _log.error("the audit cannot be verified", **kind_and_place(error))
                if isinstance(error, SealBroken):
                    # Never to be linked, however often: the rows' own walk told of it.
                    return False
                await asyncio.sleep(EVERY * LOOK_EVERY)
                continue
            if step.reached == reached:
                break
            reached = step.reached
            if step.edited:
                self._found(step.edited[0], f"row {step.edited[0]}", len(step.edited))
            if step.doubtful:
                told = f"row {step.doubtful[0]}; {may_cover(step.by)}"
                self._found(step.doubtful[0], told, len(step.doubtful))
            if step.accepted and first:
                told = f"row {step.accepted[0]}"
                _log.error("the audit was edited", reason=told, count=len(step.accepted))
            await asyncio.sleep(pause)
        if off is not None:
            self._found(*off)
        return True

    async def _keep(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(EVERY)
            try:
                await self.link()
                if turn % LOOK_EVERY == 0:
                    await self._look_beside()
            except Exception as error:  # noqa: BLE001  whatever it is, the keeper lives on
                _log.error("audit chain stands still", **kind_and_place(error))

    async def _look_beside(self) -> None:
        """Look whether something was set back, while requests go on.

        In a thread: it takes half a second at 100,000 credentials.
        """
        upto = self._links.state.number
        found = _REPLACED if self.store.replaced() else None
        if found is None and await self._looks.may_go_on():
            found = await self.store.look_apart(lambda looks: set_back(looks, upto))
            self._looks.end()
        if found:
            self.alarms.set_back(found)
        self._anchoring.remind()

    def _checkpoint_due(self) -> bool:
        state, kept = self._links.state, self._kept
        if self._edited or state.number == kept.number:
            return False
        return (
            state.number - kept.number >= CHECKPOINT_EVERY or state.at - kept.at >= CHECKPOINT_AFTER
        )

    def _found(self, number: int, told: str, count: int = 1) -> None:
        """Tell of a row that nobody accepted, and have the next start verify every row."""
        self.alarms.edited(told, count)
        self._edited = number
