"""Every sealed value with what it is bound to, page by page, and swaps of them to another seed.

Three tables hold sealed values. Each is read with its owner's present delivery in one statement: a
row whose owner was edited between two reads would not open, although nothing is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import Row, delivery
from regcred.adapters.storage.sql.seeds import held, renew
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import AuditEvent
from regcred.domain.credential import Delivery
from regcred.domain.ports import WrappedSeed
from regcred.domain.ports.rotation import Lease, Resealed, SealedRow

_DELIVERY = "c.provider, c.registry_url, c.scopes, c.username, c.settings"
_SEED = "g.kid, g.generation, g.wrapped, x.sealed"
_JOINS = """
    JOIN credentials c ON c.project_id = x.project_id AND c.id = x.credential_id
    JOIN project_seeds g ON g.project_id = x.project_id AND g.generation = x.seed_generation
"""
_WEBHOOK_SEED = """
    JOIN project_seeds g ON g.project_id = x.project_id AND g.generation = x.seed_generation
"""
_SECRETS = f"""
    SELECT x.project_id, x.credential_id, x.state, x.secret_version, {_DELIVERY}, {_SEED}
    FROM credential_secrets x {_JOINS}
"""  # noqa: S608  constants alone
_LOGINS = f"""
    SELECT x.project_id, x.credential_id, x.place, x.secret_version, {_DELIVERY}, {_SEED}
    FROM credential_logins x {_JOINS}
"""  # noqa: S608  constants alone
_WEBHOOKS = f"""
    SELECT x.project_id, x.id, '', x.secret_version, 'webhook', x.url, '', '', '{{}}', {_SEED}
    FROM webhooks x {_WEBHOOK_SEED}
"""  # noqa: S608  constants alone


class _Table(NamedTuple):
    select: str
    order: str
    """The columns that tell its rows apart, in order."""

    position: str
    """Those three of them that a position is."""

    swap: str
    """Its update; `position`'s columns, then what was read, are its last parameters."""


_TABLES = {
    "secret": _Table(
        _SECRETS,
        "x.project_id, x.credential_id, x.state",
        "x.project_id, x.credential_id, x.state",
        """
        UPDATE credential_secrets SET seed_generation = ?, sealed = ?
        WHERE project_id = ? AND credential_id = ? AND state = ?
        AND secret_version = ? AND seed_generation = ? AND sealed = ?
        """,
    ),
    "login": _Table(
        _LOGINS,
        "x.project_id, x.credential_id, x.place",
        "x.project_id, x.credential_id, x.place",
        """
        UPDATE credential_logins SET seed_generation = ?, sealed = ?
        WHERE project_id = ? AND credential_id = ? AND place = ?
        AND secret_version = ? AND seed_generation = ? AND sealed = ?
        """,
    ),
    "webhook": _Table(
        _WEBHOOKS,
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
    """The rotation's reads and writes of sealed values."""

    async def sealed_rows(
        self,
        kind: str,
        after: tuple[str, str, str],
        limit: int,
        *,
        project_id: str | None = None,
        below: int | None = None,
    ) -> Sequence[SealedRow]:
        """Return sealed values of a kind behind a position; see the port."""
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
        return [_row(kind, row) for row in rows]

    async def reseal(self, lease: Lease, until: datetime, rows: Sequence[Resealed]) -> int:
        """Swap what is still as it was read. Raise LeaseLost."""

        async def work(transaction: Transaction) -> int:
            await renew(transaction, lease, until)
            swapped = 0
            for row, generation, sealed in rows:
                read = (row.secret_version, row.seed.generation, row.sealed)
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


def _row(kind: str, row: Row) -> SealedRow:
    (
        project_id, owner_id, part, secret_version, provider, registry_url, scopes, username,
        settings, kid, generation, wrapped, sealed,
    ) = row  # fmt: skip
    sent: Delivery = delivery(provider, registry_url, scopes, username, settings)
    seed = WrappedSeed(kid, generation, wrapped)
    return SealedRow(kind, project_id, owner_id, part, secret_version, sent, seed, sealed)
