"""Open every sealed row, a few at a time, and say which do not open. Nothing is kept or shown.

Flips and edits that pulls would meet one day are met here first, also in logins nobody asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from regcred.domain.credential import Delivery
from regcred.domain.errors import KeyringUnavailable, SealBroken, StoreUnavailable
from regcred.domain.ports import LoginPlace, SealContext, Sealer
from regcred.domain.ports.scrubbing import (
    BEGINNING,
    Position,
    RowToOpen,
    ScrubStore,
    SealedKind,
)
from regcred.usecases.kept_login import seal_place
from regcred.usecases.seal_secret import PASSWORD_FIELD
from regcred.usecases.seal_webhook import WEBHOOK_FIELD

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

    opened: int
    broken: Sequence[Broken]
    next: Place | None
    """None: that was everything."""


FIRST = Place(_KINDS[0], BEGINNING)


class ScrubSecrets:
    """Walks the store. Each step is a read and as many openings as it has rows."""

    def __init__(self, store: ScrubStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def step(self, place: Place, limit: int) -> Step:
        """Open up to `limit` rows after `place`. Raise KeyringUnavailable.

        Rows that cannot be read at all count as one that does not open, and the rest of their
        kind is left for the next walk.
        """
        try:
            rows = await self._store.rows_to_open(place.kind, place.after, limit)
        except StoreUnavailable as error:
            return await self._unreadable(place, limit, error)
        broken = [found for row in rows if (found := await self._open(place.kind, row)) is not None]
        last = _next_kind(place.kind) if len(rows) < limit else Place(place.kind, rows[-1].position)
        return Step(len(rows) - len(broken), broken, last)

    async def _unreadable(self, place: Place, limit: int, error: StoreUnavailable) -> Step:
        """Narrow the rows down to the one that cannot be read, so that those before it count."""
        if limit > 1:
            return await self.step(place, limit // 2)
        _, id_, _ = place.after
        where = f"the first one after {id_}" if id_ else "the first one"
        found = Broken(place.kind, place.after[0] or "?", where, f"cannot be read ({error})")
        return Step(0, [found], _next_kind(place.kind))

    async def _open(self, kind: SealedKind, row: RowToOpen) -> Broken | None:
        if row.seed is None:
            return Broken(kind, row.project_id, row.id, "its project's seed is gone")
        if row.delivery is None:
            return Broken(kind, row.project_id, row.id, "what it is bound to cannot be read")
        try:
            await self._sealer.open(row.seed, _context(kind, row, row.delivery), row.sealed)
        except SealBroken as error:
            return Broken(kind, row.project_id, row.id, str(error))
        except KeyringUnavailable:
            # A ring that is there and lacks the row's key is not one that is away for a while.
            await self._sealer.new_seed("scrub")
            return Broken(kind, row.project_id, row.id, "the key ring lacks the key of its seed")
        return None


def _context(kind: SealedKind, row: RowToOpen, delivery: Delivery) -> SealContext:
    if kind is SealedKind.LOGIN:
        place = LoginPlace(row.project_id, row.id, row.place)
        return seal_place(place, row.secret_version, delivery)
    field = PASSWORD_FIELD if kind is SealedKind.PASSWORD else WEBHOOK_FIELD
    return SealContext(row.project_id, row.id, field, row.secret_version, delivery)


def _next_kind(kind: SealedKind) -> Place | None:
    at = _KINDS.index(kind) + 1
    return Place(_KINDS[at], BEGINNING) if at < len(_KINDS) else None
