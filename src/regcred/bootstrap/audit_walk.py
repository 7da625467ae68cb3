"""Verify every audit row there is, and link all of them anew, a few at a time.

The one thing you would get wrong: what an operator's word covers. What was found when it was given
is no finding any more; what was edited since is one, also before the row that holds the word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from regcred.adapters.sealing.anchor import Anchor, Comparison, compare
from regcred.adapters.sealing.audit_chain import AuditChain, ChainState
from regcred.adapters.storage.sql.acceptance import Acceptance
from regcred.bootstrap.audit_links import AuditLinks, base_of
from regcred.bootstrap.stores import OpenStore
from regcred.domain.errors import SealBroken

AT_ONCE = 100
"""Rows of one step: about a millisecond, in which no request is answered."""


class Step(NamedTuple):
    """What one step found: numbers of rows that are not as they were signed."""

    reached: int
    edited: Sequence[int]
    accepted: Sequence[int]
    doubtful: Sequence[int] = ()
    """They may have been accepted by the word that row `by` holds, which does not say."""

    by: int = 0


class Off(NamedTuple):
    """Where rows do not lead to where the chain was, and how that is told."""

    number: int
    told: str


@dataclass(frozen=True, slots=True)
class AuditWalk:
    """Walks one store's audit. Raises StoreUnavailable."""

    store: OpenStore
    chain: AuditChain

    async def step(self, after: int) -> Step:
        """Verify the next rows; one that reaches no further than `after` met the end."""
        reached, edited = await self.store.edited_after(after, AT_ONCE)
        by = await self.store.acceptance() if edited else Acceptance()
        doubtful = [number for number in edited if number in by.edited.unnamed]
        accepted = [number for number in edited if number in by.edited]
        new = [number for number in edited if number not in {*doubtful, *accepted}]
        return Step(reached, new, accepted, doubtful, by.number)

    async def settled(self, number: int) -> bool:
        """Return whether a row that was found edited was accepted since, or is whole again."""
        by = await self.store.acceptance()
        if any(number in named or number in named.unnamed for named in (by.edited, by.missing)):
            return True
        reached, edited = await self.store.edited_after(number - 1, 1)
        return reached == number and not edited

    async def off(self, goal: ChainState, pause: float) -> Off | None:
        """Link every row up to `goal` anew, and return where they do not lead there.

        Raise SealBroken at a row that was never signed.
        """
        walk = await self._begin()
        missing = await walk.to(goal.number, pause)
        if missing:
            return Off(missing, f"row {missing} is missing")
        # Beyond: the rows before it were pruned meanwhile.
        if walk.state == goal or walk.state.number > goal.number:
            return None
        return Off(goal.number, f"before row {goal.number}")

    async def whole(self, anchored: Anchor | None) -> tuple[int, list[str]]:
        """Walk all of it at once. Return the last row's number, and everything that is wrong."""
        newest, after, wrong = await self.store.last_number(), 0, list[str]()
        # Up to where it was when asked: a server may go on writing.
        while after < newest and (step := await self.step(after)).reached != after:
            after = step.reached
            wrong += told_of(step)
        walk = await self._begin()
        try:
            missing = 0 if anchored is None else await walk.to(min(anchored.upto, newest))
            state = walk.state
            if anchored is not None and state.number <= anchored.upto:
                head = state.head if state.number == anchored.upto else None
                if compare(anchored, head, newest) is Comparison.ROLLED_BACK:
                    wrong.append(f"the audit is not the one that was anchored at {anchored.upto}")
            missing = missing or await walk.to(newest)
        except SealBroken as broken:
            return newest, [*wrong, f"the audit cannot be linked: {broken}"]
        if missing:
            wrong.append(f"audit row {missing} is missing")
        return newest, wrong

    async def _begin(self) -> AuditLinks:
        base = base_of(self.chain, await self.store.checkpoints())
        return AuditLinks(self.store, self.chain, base)


def told_of(step: Step) -> list[str]:
    """Return what a step found wrong, in words."""
    return [
        *(f"audit row {number} does not verify; {may_cover(step.by)}" for number in step.doubtful),
        *(f"audit row {number} was edited" for number in step.edited),
    ]


def may_cover(by: int) -> str:
    """Return in words that a row may have been accepted."""
    return f"a rollback accepted at row {by} may cover it"
