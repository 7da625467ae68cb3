"""Every sealed value with what it is bound to, page by page, and swaps of them to another seed.

Three tables hold sealed values. Each is read with its owner's present delivery in one statement: a
row whose owner was edited between two reads would not open, although nothing is broken. A row whose
seed or owner is gone is read as well: whoever looks for damage looks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.leases import held, renew
from regcred.adapters.storage.sql.rows import Row, delivery
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import AuditEvent
from regcred.domain.credential import Delivery
from regcred.domain.errors import SealBroken
from regcred.domain.ports import WrappedSeed
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.rotation import Resealed
from regcred.domain.ports.sealed_rows import Position, SealedKind, SealedRow
from regcred.domain.webhook import delivery_to

_SEALED = "x.secret_version, x.sealed, g.kid, g.generation, g.wrapped"
_BOUND = "c.provider, c.registry_url, c.scopes, c.username, c.settings"
_SEED = """
    LEFT JOIN project_seeds g ON g.project_id = x.project_id AND g.generation = x.seed_generation
"""
_OWNER = "LEFT JOIN credentials c ON c.project_id = x.project_id AND c.id = x.credential_id"
_PASSWORDS = f"""
    SELECT x.project_id, x.credential_id, x.state, {_SEALED}, {_BOUND}
    FROM credential_secrets x {_SEED} {_OWNER}
"""  # noqa: S608  constants alone
_LOGINS = f"""
    SELECT x.project_id, x.credential_id, x.place, {_SEALED}, {_BOUND}
    FROM credential_logins x {_SEED} {_OWNER}
"""  # noqa: S608  constants alone
_WEBHOOKS = f"""
    SELECT x.project_id, x.id, '', {_SEALED}, x.url
    FROM webhooks x {_SEED}
"""  # noqa: S608  constants alone


def _of_credential(row: Row) -> Delivery | None:
    provider, registry_url, scopes, username, settings = row
    if provider is None:
        return None
    try:
        return delivery(provider, registry_url, scopes, username, settings)
    except (SealBroken, ValueError, TypeError):
        return None  # not what this program writes


class _Table(NamedTuple):
    select: str
    bound: Callable[[Row], Delivery | None]
    order: str
    """The columns that tell its rows apart, in order."""

    position: str
    """Those three of them that a position is."""

    swap: str
    """Its update; `position`'s columns, then what was read, are its last parameters."""


_TABLES = {
    SealedKind.PASSWORD: _Table(
        _PASSWORDS,
        _of_credential,
        "x.project_id, x.credential_id, x.state",
        "x.project_id, x.credential_id, x.state",
        """
        UPDATE credential_secrets SET seed_generation = ?, sealed = ?
        WHERE project_id = ? AND credential_id = ? AND state = ?
        AND secret_version = ? AND seed_generation = ? AND sealed = ?
        """,
    ),
    SealedKind.LOGIN: _Table(
        _LOGINS,
        _of_credential,
        "x.project_id, x.credential_id, x.place",
        "x.project_id, x.credential_id, x.place",
        """
        UPDATE credential_logins SET seed_generation = ?, sealed = ?
        WHERE project_id = ? AND credential_id = ? AND place = ?
        AND secret_version = ? AND seed_generation = ? AND sealed = ?
        """,
    ),
    SealedKind.WEBHOOK: _Table(
        _WEBHOOKS,
        lambda row: delivery_to(row[0]),
        "x.project_id, x.id",
        "x.project_id, x.id, ''",
        """
        UPDATE webhooks SET seed_generation = ?, sealed = ?
        WHERE project_id = ? AND id = ? AND '' = ?
        AND secret_version = ? AND seed_generation = ? AND sealed = ?
        """,
    ),
}
_UNNEEDED = """
    DELETE FROM project_seeds WHERE project_id = ?1 AND generation < ?2
    AND NOT EXISTS (
        SELECT 1 FROM credential_secrets x
        WHERE x.project_id = ?1 AND x.seed_generation = project_seeds.generation
    )
    AND NOT EXISTS (
        SELECT 1 FROM credential_logins x
        WHERE x.project_id = ?1 AND x.seed_generation = project_seeds.generation
    )
    AND NOT EXISTS (
        SELECT 1 FROM webhooks x
        WHERE x.project_id = ?1 AND x.seed_generation = project_seeds.generation
    )
"""


class SealedRows(Access):
    """The walk over them (the port `SealedRowStore`), and the rotation's writes."""

    async def sealed_rows(
        self,
        kind: SealedKind,
        after: Position,
        limit: int,
        *,
        project_id: str | None = None,
        below: int | None = None,
    ) -> Sequence[SealedRow]:
        """Return rows of a kind behind a position; see the port."""
        table = _TABLES[kind]
        where, parameters = [f"({table.position}) > (?, ?, ?)"], list[object](after)
        if project_id is not None:
            where.append("x.project_id = ?")
            parameters.append(project_id)
        if below is not None:
            where.append("x.seed_generation < ?")
            parameters.append(below)
        # A login that is claimed or failed has nothing sealed.
        where.append("x.sealed IS NOT NULL")
        statement = f"{table.select} WHERE {' AND '.join(where)} ORDER BY {table.order} LIMIT ?"
        rows = await self._all(statement, (*parameters, limit))
        return [_row(kind, row, table.bound) for row in rows]

    async def reseal(self, lease: Lease, until: datetime, rows: Sequence[Resealed]) -> int:
        """Swap what is still as it was read. Raise LeaseLost."""

        async def work(transaction: Transaction) -> int:
            await renew(transaction, lease, until)
            swapped = 0
            for row, generation, sealed in rows:
                # Without a seed it was not opened, and nothing equals that.
                generation_read = row.seed.generation if row.seed else None
                read = (row.secret_version, generation_read, row.sealed)
                swapped += await transaction.change(
                    _TABLES[row.kind].swap, (generation, sealed, *row.position, *read)
                )
            transaction.secrets_died = True
            return swapped

        return await self._write(work)

    async def drop_seeds(
        self, lease: Lease, project_id: UUID, below: int, event: AuditEvent
    ) -> int:
        """Destroy the generations below that no row needs. Raise LeaseLost."""

        async def work(transaction: Transaction) -> int:
            await held(transaction, lease)
            dropped = await transaction.change(_UNNEEDED, (str(project_id), below))
            if dropped:
                transaction.secrets_died = True
                await transaction.audit(event)
            return dropped

        return await self._write(work, of=project_id)


def _row(kind: SealedKind, row: Row, bound: Callable[[Row], Delivery | None]) -> SealedRow:
    project_id, owner_id, part, version, sealed, kid, generation, wrapped, *more = row
    seed = None if wrapped is None else WrappedSeed(kid, generation, wrapped)
    return SealedRow(kind, project_id, owner_id, part, version, seed, bound(tuple(more)), sealed)
