"""Move the anchor with the chain, and tell when it is not what somebody who may had written there.

The one thing you would get wrong: who may. Where processes share a database they may share an
anchor too, and each finds it moved by the others: what is further along the same chain is right,
whoever wrote it, and everything else is not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hmac import compare_digest

from regcred.adapters.sealing.anchor import Anchor, FileAnchor
from regcred.adapters.sealing.audit_chain import ChainState
from regcred.bootstrap.audit_alarms import AuditAlarms
from regcred.domain.ports import Clock

_GONE = "it is gone, damaged, or not signed here"
_BACK = "it was set back"
_OTHER = "it is not the one written here"
_AHEAD = "it is ahead of the audit"
_FOREIGN = "it is not of this audit"
_LIFTED = "it tells no more of a row that was found edited"


@dataclass(slots=True)
class Anchoring:
    """One process's part in an anchor; `shared`: others may move it too."""

    anchor: FileAnchor
    clock: Clock
    alarms: AuditAlarms
    shared: bool
    known: Anchor | None = None
    """The newest that was to be written or was found right here; None: nothing yet."""

    settled: int = 0
    """A row that the anchor told of, and that was accepted or found whole since."""

    _there: Anchor | None = field(default=None, init=False)
    _lost: bool = field(default=False, init=False)
    """What is there is older than what was known, so it is written again."""

    _tried: Anchor | None = field(default=None, init=False)
    """What was to be written when this process was cancelled, or the disk refused."""

    _told: Anchor | bool | None = field(default=False, init=False)
    """What was there when it was told last; False: nothing is to be told again."""

    async def read(self) -> int:
        """Look what is there, and return up to which row the chain is to tell whether it is right.

        Raise StartRefused where it may not be read.
        """
        self._there = await asyncio.to_thread(self.anchor.whole)
        return 0 if self._there is None else self._there.upto

    @property
    def lifted(self) -> int:
        """The row that an anchor which others may move told of, and tells no more of; 0: none."""
        there, known = self._there, self.known
        if not self.shared or known is None or there is None or there.edited:
            return 0
        return 0 if known.edited == self.settled else known.edited

    def compare(self, state: ChainState, newest: int) -> None:
        """Tell if what was read is not right; `state` is the chain's there, or further on.

        `newest` is the audit's last row, as looked up after it was read.
        """
        there, known = self._there, self.known
        self._lost = False
        if known is None or there == known:
            return
        own = there is not None and self._tried is not None and there[:2] == self._tried[:2]
        if own and not self.lifted:
            self.known, self._tried = there, None
            return
        off = self._off(there, known, state, newest)
        if off is None:
            self.known = there
            return
        self._lost = there is None or there.upto <= known.upto
        if self._told is False or self._told != there:
            self.alarms.anchor_changed(off)
        self._told = there

    def remind(self) -> None:
        """Have what is still not right told again."""
        self._told = False

    async def move(self, state: ChainState, edited: int) -> None:
        """Move the anchor on to `state`; `edited` is a row that was found edited, or 0.

        Nothing is written where nothing is new. Raise OSError, StartRefused.
        """
        known = self.known
        if known is not None:
            told = 0 if known.edited == self.settled else known.edited
            new = state.number > known.upto or self._lost or self.settled
            if not new and (told or not edited):
                return
            edited = edited or told
        to = self._tried = self._at(state, edited)
        moved = await asyncio.to_thread(self.anchor.move, to, settled=self.settled)
        # One that is further than the chain here was not looked at yet, or found wrong.
        self.known = to if moved.upto > to.upto else moved
        self.settled, self._lost, self._tried = 0, False, None

    async def put(self, state: ChainState) -> None:
        """Anchor `state` whatever was anchored: somebody accepted it. Raise OSError."""
        self.known = self._at(state, 0)
        await asyncio.to_thread(self.anchor.save, self.known)
        self.settled = 0

    def _at(self, state: ChainState, edited: int) -> Anchor:
        return Anchor(state.number, state.head, self.clock(), edited)

    def _off(
        self, there: Anchor | None, known: Anchor, state: ChainState, newest: int
    ) -> str | None:
        """Return in what way what is there is not right, if it is not."""
        if there is None:
            return _GONE
        if there.upto < known.upto:
            return _BACK
        if not self.shared:
            return _OTHER
        if there.upto == known.upto:
            if not compare_digest(there.head, known.head):
                return _OTHER
        elif there.upto > newest:
            return _AHEAD
        # This process is further already only where it wrote nothing since it looked last.
        elif there.upto >= state.number and not compare_digest(there.head, state.head):
            return _FOREIGN
        return _LIFTED if self.lifted else None
