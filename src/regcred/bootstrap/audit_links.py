"""The audit's chain as this process walks it, and the signed states that it can begin at.

The one thing you would get wrong: what may be believed. A state lies in the store, so it counts
only as far as its signature does, and one from another store, or from before a rollback that was
accepted, is no state of this chain: it is believed only up to what is anchored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from regcred.adapters.sealing.audit_chain import GENESIS, AuditChain, ChainState
from regcred.adapters.storage.sql.checkpoints import AuditLink, StoredCheckpoint
from regcred.bootstrap.stores import OpenStore

_BATCH = 500


@dataclass(slots=True)
class AuditLinks:
    """A walk along the chain of one store."""

    store: OpenStore
    chain: AuditChain
    state: ChainState = field(default_factory=ChainState)
    _last: tuple[int, bytes] = field(default=(0, b""), init=False)
    """Number and MAC of the walk's last row, once they are known."""

    async def to(self, upto: int, pause: float = 0) -> int:
        """Go on to row `upto`, and return the first number that is missing, or 0.

        Numbers are given without gaps. What was missing when a rollback was accepted is not told
        again, and after rows that are pruned meanwhile the walk goes on from the state that stands
        for them: it may end beyond `upto`. Raise SealBroken at a row that was never signed.
        """
        missing = 0
        while self.state.number < upto:
            number, _, head, deciding = self.state
            rows = [row for row in await self._next() if row.number <= upto]
            last = rows[-1].number if rows else upto
            if last - number != len(rows) and await self._pruned_meanwhile():
                continue
            if not rows:
                break
            head = self.chain.link(head, [row.mac for row in rows])
            deciding = self.chain.link(deciding, [row.mac for row in rows if row.deciding])
            missing = missing or await self._missing_after(number, rows)
            self.state = ChainState(last, rows[-1].at, head, deciding)
            self._last = last, rows[-1].mac
            await asyncio.sleep(pause)  # requests go first
        return missing

    async def _pruned_meanwhile(self) -> bool:
        base = base_of(self.chain, await self.store.checkpoints())
        if base.number <= self.state.number:
            return False
        self.state = base
        return True

    async def holds(self) -> bool:
        """Whether the last row of the walk is still there, and still what it was.

        A change is told once. A row that was pruned is not missed.
        """
        number = self.state.number
        rows = await self.store.macs_after(number - 1, 1)
        mac = next((mac for at, mac in rows if at == number), b"")
        known, self._last = self._last, (number, mac)
        if known[0] != number or known[1] == mac:
            return True
        return base_of(self.chain, await self.store.checkpoints()).number >= number

    async def keep(self) -> None:
        """Sign where the walk is, so that a start may begin here."""
        await self.store.put_checkpoint(signed(self.chain, self.state, pruned=False))

    async def deciding_at(self, number: int) -> bytes:
        """Return the head of the chain over the deciding rows up to `number`."""
        head, after = GENESIS, 0
        while rows := await self.store.deciding_macs_after(after, _BATCH):
            head = self.chain.link(head, [mac for at, mac in rows if at <= number])
            after = rows[-1][0]
            if after >= number:
                break
            await asyncio.sleep(0)
        return head

    async def _next(self) -> Sequence[AuditLink]:
        return await self.store.links_after(self.state.number, _BATCH)

    async def _missing_after(self, before: int, rows: Sequence[AuditLink]) -> int:
        if rows[-1].number - before == len(rows):
            return 0
        accepted = (await self.store.acceptance()).missing
        for row in rows:
            if other := accepted.first_other(range(before + 1, row.number)):
                return other
            before = row.number
        return 0


def signed(chain: AuditChain, state: ChainState, *, pruned: bool) -> StoredCheckpoint:
    """Return a state as it is stored."""
    return StoredCheckpoint(*state, pruned, chain.sign(state, pruned=pruned))


def base_of(chain: AuditChain, stored: Iterable[StoredCheckpoint]) -> ChainState:
    """Return where the chain of a store begins: after what was pruned, or before its first row."""
    return next((state_of(one) for one in stored if one.pruned and _ours(chain, one)), ChainState())


def newest_of(
    chain: AuditChain, stored: Iterable[StoredCheckpoint], upto: int
) -> ChainState | None:
    """Return the newest signed state at or before row `upto`. `stored` is newest first."""
    return next((state for state in trusted(chain, stored) if state.number <= upto), None)


def trusted(chain: AuditChain, stored: Iterable[StoredCheckpoint]) -> Iterator[ChainState]:
    """Yield the states that were signed here, in the order in which they are stored."""
    return (state_of(one) for one in stored if _ours(chain, one))


def state_of(one: StoredCheckpoint) -> ChainState:
    """Return a checkpoint's state."""
    return ChainState(one.number, one.at, one.head, one.deciding)


def _ours(chain: AuditChain, one: StoredCheckpoint) -> bool:
    return chain.signed_here(state_of(one), one.mac, pruned=one.pruned)
