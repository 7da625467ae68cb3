"""What a start makes of the audit, before anything is served from the store.

The one thing you would get wrong: what to start from. A state of the chain that lies in the store
could be an old one, so a start goes on from the newest that was signed here *and* from which the
rows lead to what is anchored. What came before it is linked anew beside the requests.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from regcred.adapters.sealing.anchor import Anchor, Comparison, compare
from regcred.adapters.sealing.audit_chain import AuditChain, ChainState
from regcred.adapters.storage.sql.acceptance import details
from regcred.bootstrap.audit_links import AuditLinks, base_of, newest_of, signed
from regcred.bootstrap.audit_walk import may_cover
from regcred.bootstrap.first_run import OPERATOR
from regcred.bootstrap.set_back import OLDER, set_back
from regcred.bootstrap.stores import OpenStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent

_ANOTHER = "its audit is not the one that was anchored"
_SLICE = 100


@dataclass(slots=True)
class AuditStart:
    """One look at one store before it is served."""

    store: OpenStore
    chain: AuditChain
    links: AuditLinks
    """The walk that the keeper goes on with."""

    began: ChainState = field(default_factory=ChainState, init=False)
    """Where the walk began."""

    async def look(
        self, anchored: Anchor | None, claim: Anchor | None, *, doubts: bool
    ) -> str | None:
        """Return in what way the store is not what it should be, if it is not.

        A `claim` stands where the anchor is not signed, and tells against the store alone.
        With `doubts` a row that may have been accepted is told, so that it can be accepted by name.
        Raise SealBroken at an audit row that was never signed.
        """
        newest = await self.store.last_number()
        against = anchored or claim
        verified = newest if anchored is None else anchored.upto
        if against is not None and against.edited:
            verified = 0
        began = await self._where_to_begin(anchored)
        self.links.state = self.began = began
        missing = 0
        if against is not None and against.upto >= began.number:
            missing = await self.links.to(against.upto)
            state = self.links.state
            head = state.head if state.number == against.upto else None
            # Beyond: rows were pruned meanwhile, and a signed state stands for what is anchored.
            beyond = state.number > against.upto
            if not beyond and compare(against, head, newest) is Comparison.ROLLED_BACK:
                return OLDER if newest < against.upto else _ANOTHER
        missing = missing or await self.links.to(newest)
        if missing:
            return f"row {missing} of its audit is missing"
        if await self.links.deciding_at(began.number) != began.deciding:
            return _ANOTHER
        # What nothing anchored yet, and what the looks below go by, before they are believed.
        edited = await self._edited(verified, doubts=doubts, deciding=False)
        edited = edited or await self._edited(0, doubts=doubts, deciding=True)
        if edited:
            return edited
        upto = self.links.state.number
        return await self.store.look_apart(lambda looks: set_back(looks, upto))

    async def accept(self, found: str, at: datetime) -> None:
        """Audit the operator's word, and begin anew with what is there now."""
        said = Action.ROLLBACK_ACCEPTED, NO_PROJECT, OPERATOR, at
        last, edited, missing = await self._wrong_now()
        covers = details(last, edited, missing)
        await self.store.accept_rollback(AuditEvent(*said, details={"found": found, **covers}))
        await self.store.forget_checkpoints()
        base = await self._base()
        if base.number:
            base = base._replace(deciding=await self.links.deciding_at(base.number))
            await self.store.put_checkpoint(signed(self.chain, base, pruned=True))
        self.links.state = self.began = base

    async def _base(self) -> ChainState:
        return base_of(self.chain, await self.store.checkpoints())

    async def _where_to_begin(self, anchored: Anchor | None) -> ChainState:
        """Return the state from which a start links; without an anchor to lead to, the first."""
        stored = await self.store.checkpoints()
        base = base_of(self.chain, stored)
        if anchored is None or anchored.edited:
            return base
        newest = newest_of(self.chain, stored, anchored.upto)
        return base if newest is None else max(newest, base)

    async def _edited(self, upto: int, *, doubts: bool, deciding: bool) -> str | None:
        """Return what is said of the first row after `upto` that was edited and not accepted."""
        reached, by = None, await self.store.acceptance()
        while reached != upto:
            reached = upto
            upto, edited = await self.store.edited_after(upto, _SLICE, deciding=deciding)
            for number in edited:
                if number in by.edited.unnamed:
                    if doubts:
                        return f"row {number} of its audit does not verify; {may_cover(by.number)}"
                elif number not in by.edited:
                    return f"row {number} of its audit was edited"
            await asyncio.sleep(0)
        return None

    async def _wrong_now(self) -> tuple[int, list[range], list[range]]:
        """Return the last row's number, and which rows up to it are edited and which missing."""
        wrong, last, reached = list[range](), 0, None
        while reached != last:
            reached = last
            last, edited = await self.store.edited_after(last, _SLICE)
            wrong += [range(number, number + 1) for number in edited]
            await asyncio.sleep(0)
        gone, before = list[range](), (await self._base()).number
        while before < last and (rows := await self.store.links_after(before, _SLICE)):
            for row in rows:
                if row.number > before + 1:
                    gone.append(range(before + 1, row.number))
                before = row.number
            await asyncio.sleep(0)
        return last, wrong, gone
