"""Open every sealed row, a few at a time, and say which do not open. Nothing is kept or shown.

Flips and edits that pulls would meet one day are met here first, also in logins nobody asks for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from regcred.domain.errors import KeyringUnavailable, SealBroken, StoreUnavailable
from regcred.domain.ports import Sealer
from regcred.domain.ports.sealed_rows import (
    BEGINNING,
    Position,
    SealedKind,
    SealedRow,
    SealedRowStore,
)
from regcred.usecases.sealed_places import context_of

_KINDS = tuple(SealedKind)


class Broken(NamedTuple):
    """A row that does not open, by id."""

    kind: SealedKind
    project_id: str
    id: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} of {self.id} in project {self.project_id}: {self.why}"


class Place(NamedTuple):
    """How far a walk has come."""

    kind: SealedKind
    after: Position


class Step(NamedTuple):
    """What one step of a walk found."""

    kind: SealedKind
    opened: int
    broken: Sequence[Broken]
    next: Place | None
    """None: that was everything."""


FIRST = Place(_KINDS[0], BEGINNING)


class ScrubSecrets:
    """Walks the store. Each step is a read and as many openings as it has rows."""

    def __init__(self, store: SealedRowStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def walk(self, at_once: int) -> AsyncIterator[Step]:
        """Yield every step of a whole walk. Raise KeyringUnavailable, StoreUnavailable."""
        place: Place | None = FIRST
        while place is not None:
            step = await self.step(place, at_once)
            yield step
            place = step.next

    async def step(self, place: Place, limit: int) -> Step:
        """Open up to `limit` rows after `place`.

        Rows that cannot be read at all count as one that does not open, and the rest of their
        kind is left for the next walk. Raise KeyringUnavailable; StoreUnavailable when the store
        does not answer at all, which says nothing of its rows.
        """
        try:
            rows = await self._store.sealed_rows(place.kind, place.after, limit)
        except StoreUnavailable:
            await self._require_answers(place)
            if limit > 1:
                # Down to the one that cannot be read, so that those before it count.
                return await self.step(place, limit // 2)
            try:
                rows = await self._store.sealed_rows(place.kind, place.after, limit)
            except StoreUnavailable as error:
                await self._require_answers(place)
                return _unreadable(place, error)
        broken = [found for row in rows if (found := await self._open(row)) is not None]
        last = _next_kind(place.kind) if len(rows) < limit else Place(place.kind, rows[-1].position)
        return Step(place.kind, len(rows) - len(broken), broken, last)

    async def _require_answers(self, place: Place) -> None:
        """Pass if the same question is answered where it reads no row. Raise StoreUnavailable."""
        await self._store.sealed_rows(place.kind, place.after, 0)

    async def _open(self, row: SealedRow) -> Broken | None:
        if row.seed is None:
            return _broken(row, "its project's seed is gone")
        if row.delivery is None:
            return _broken(row, "what it is bound to cannot be read")
        try:
            await self._sealer.open(row.seed, context_of(row, row.delivery), row.sealed)
        except SealBroken as error:
            return _broken(row, str(error))
        except KeyringUnavailable:
            # A ring that is there and lacks the row's key is not one that is away for a while.
            await self._sealer.new_seed("scrub")
            return _broken(row, "the key ring lacks the key of its seed")
        return None


def _unreadable(place: Place, error: StoreUnavailable) -> Step:
    _, id_, _ = place.after
    where = f"the first one after {id_}" if id_ else "the first one"
    found = Broken(place.kind, place.after[0] or "?", where, f"cannot be read ({error})")
    return Step(place.kind, 0, [found], _next_kind(place.kind))


def _broken(row: SealedRow, why: str) -> Broken:
    return Broken(row.kind, row.project_id, row.owner_id, why)


def _next_kind(kind: SealedKind) -> Place | None:
    at = _KINDS.index(kind) + 1
    return Place(_KINDS[at], BEGINNING) if at < len(_KINDS) else None
