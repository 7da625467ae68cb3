"""Every sealed row in order, with what it must open under: for the scrubber and for drills.

The one thing you would get wrong: joining. A row whose seed or credential is gone is what is
looked for here, so nothing may drop it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import Row, delivery
from regcred.domain.credential import Delivery
from regcred.domain.errors import SealBroken
from regcred.domain.ports import WrappedSeed
from regcred.domain.ports.scrubbing import Position, RowToOpen, SealedKind
from regcred.domain.webhook import delivery_to

_BOUND = "c.provider, c.registry_url, c.scopes, c.username, c.settings"
_SEED = "g.kid, g.generation, g.wrapped"
_PASSWORDS = f"""
    SELECT x.project_id, x.credential_id, x.state, x.secret_version, x.sealed, {_SEED}, {_BOUND}
    FROM credential_secrets x
    LEFT JOIN project_seeds g ON g.project_id = x.project_id AND g.generation = x.seed_generation
    LEFT JOIN credentials c ON c.project_id = x.project_id AND c.id = x.credential_id
    WHERE (x.project_id, x.credential_id, x.state) > (?, ?, ?)
    ORDER BY x.project_id, x.credential_id, x.state LIMIT ?
"""  # noqa: S608  constants alone
_LOGINS = f"""
    SELECT l.project_id, l.credential_id, l.place, l.secret_version, l.sealed, {_SEED}, {_BOUND}
    FROM credential_logins l
    LEFT JOIN project_seeds g ON g.project_id = l.project_id AND g.generation = l.seed_generation
    LEFT JOIN credentials c ON c.project_id = l.project_id AND c.id = l.credential_id
    WHERE l.sealed IS NOT NULL AND (l.project_id, l.credential_id, l.place) > (?, ?, ?)
    ORDER BY l.project_id, l.credential_id, l.place LIMIT ?
"""  # noqa: S608  constants alone
_WEBHOOKS = f"""
    SELECT w.project_id, w.id, '', w.secret_version, w.sealed, {_SEED}, w.url
    FROM webhooks w
    LEFT JOIN project_seeds g ON g.project_id = w.project_id AND g.generation = w.seed_generation
    WHERE (w.project_id, w.id, '') > (?, ?, ?)
    ORDER BY w.project_id, w.id LIMIT ?
"""  # noqa: S608  constants alone


def _of_credential(row: Row) -> Delivery | None:
    provider, registry_url, scopes, username, settings = row
    if provider is None:
        return None
    try:
        return delivery(provider, registry_url, scopes, username, settings)
    except (SealBroken, ValueError, TypeError):
        return None  # not what this program writes


class _Walk(NamedTuple):
    statement: str
    bound: Callable[[Row], Delivery | None]


_WALKS = {
    SealedKind.PASSWORD: _Walk(_PASSWORDS, _of_credential),
    SealedKind.LOGIN: _Walk(_LOGINS, _of_credential),
    SealedKind.WEBHOOK: _Walk(_WEBHOOKS, lambda row: delivery_to(row[0])),
}


class RowsToOpen(Access):
    """The port `ScrubStore`."""

    async def rows_to_open(
        self, kind: SealedKind, after: Position, limit: int
    ) -> Sequence[RowToOpen]:
        """Return rows of a kind, of every project, in order of position. Raise StoreUnavailable."""
        walk = _WALKS[kind]
        rows = await self._all(walk.statement, (*after, limit))
        return [_row_to_open(row, walk.bound) for row in rows]


def _row_to_open(row: Row, bound: Callable[[Row], Delivery | None]) -> RowToOpen:
    project_id, id_, place, version, sealed, kid, generation, wrapped, *more = row
    seed = None if wrapped is None else WrappedSeed(kid, generation, wrapped)
    return RowToOpen(project_id, id_, place, version, seed, bound(tuple(more)), sealed)
