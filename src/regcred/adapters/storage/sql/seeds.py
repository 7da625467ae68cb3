"""Wrapped keys page by page, and writes of a rotation: fenced, and only over what was read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.leases import held, renew
from regcred.adapters.storage.sql.rows import instant, micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import NO_PROJECT, AuditEvent
from regcred.domain.errors import ProjectNotFound
from regcred.domain.ports import WrappedSeed
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.rotation import StoredSeed, Swap, Wrapped

_WRAPPED_BY = """
    SELECT kid, sum(seeds), sum(keys) FROM (
        SELECT kid, count(*) AS seeds, 0 AS keys FROM project_seeds GROUP BY kid
        UNION ALL
        SELECT kid, 0 AS seeds, count(*) AS keys FROM service_keys GROUP BY kid
    ) AS every GROUP BY kid
"""
_UNUSED = "SELECT kid, since FROM unused_keys"
_SEEDS = """
    SELECT project_id, kid, generation, wrapped FROM project_seeds
    WHERE (project_id, generation) > (?, ?) AND kid <> ?
    ORDER BY project_id, generation LIMIT ?
"""
_OF_PROJECT = """
    SELECT kid, generation, wrapped FROM project_seeds WHERE project_id = ? ORDER BY generation
"""
_SERVICE_KEYS = "SELECT purpose, kid, generation, wrapped FROM service_keys"

_SWAP = """
    UPDATE project_seeds SET kid = ?, wrapped = ?
    WHERE project_id = ? AND generation = ? AND kid = ? AND wrapped = ?
"""
_SWAP_SERVICE_KEY = """
    UPDATE service_keys SET kid = ?, wrapped = ?
    WHERE purpose = ? AND generation = ? AND kid = ? AND wrapped = ?
"""
_NOTE = "INSERT INTO unused_keys (kid, since) VALUES (?, ?) ON CONFLICT (kid) DO NOTHING"
_IN_USE = """
    SELECT 1 WHERE EXISTS (SELECT 1 FROM project_seeds WHERE kid = ?)
    OR EXISTS (SELECT 1 FROM service_keys WHERE kid = ?)
"""
_FORGET = """
    DELETE FROM unused_keys WHERE kid IN (
        SELECT kid FROM project_seeds UNION SELECT kid FROM service_keys
    )
"""
_PROJECT_EXISTS = "SELECT 1 FROM projects WHERE id = ?"
_ADD = """
    INSERT INTO project_seeds (project_id, generation, kid, wrapped) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""


class Seeds(Access):
    """The rotation's reads and writes of wrapped keys."""

    async def wrapped_by(self) -> Mapping[str, Wrapped]:
        """Return what hangs on each key, by kid."""
        rows = await self._all(_WRAPPED_BY)
        return {kid: Wrapped(int(seeds), int(keys)) for kid, seeds, keys in rows}

    async def unused_since(self) -> Mapping[str, datetime]:
        """Return since when a key is known to be unused, by kid."""
        return {kid: instant(since) for kid, since in await self._all(_UNUSED)}

    async def seeds(
        self, after: StoredSeed | None, limit: int, *, not_by: str | None = None
    ) -> Sequence[StoredSeed]:
        """Return seeds behind `after`; see the port."""
        position = ("", 0) if after is None else (after.project_id, after.seed.generation)
        # No kid is empty, so "" leaves none out.
        rows = await self._all(_SEEDS, (*position, not_by or "", limit))
        return [StoredSeed(project_id, WrappedSeed(*seed)) for project_id, *seed in rows]

    async def service_keys(self) -> Mapping[str, WrappedSeed]:
        """Return every wrapped key of the service itself, by purpose."""
        rows = await self._all(_SERVICE_KEYS)
        return {purpose: WrappedSeed(*key) for purpose, *key in rows}

    async def swap_seeds(self, lease: Lease, until: datetime, swaps: Sequence[Swap]) -> int:
        """Swap what is still there. Raise LeaseLost."""

        async def work(transaction: Transaction) -> int:
            await renew(transaction, lease, until)
            swapped = 0
            for project_id, old, new in swaps:
                read = (project_id, old.generation, old.kid, old.wrapped)
                swapped += await transaction.change(_SWAP, (new.kid, new.wrapped, *read))
            return swapped

        return await self._write(work)

    async def swap_service_key(
        self, lease: Lease, until: datetime, purpose: str, old: WrappedSeed, new: WrappedSeed
    ) -> bool:
        """Swap a key of the service. Raise LeaseLost."""
        read = (purpose, old.generation, old.kid, old.wrapped)

        async def work(transaction: Transaction) -> bool:
            await renew(transaction, lease, until)
            return bool(await transaction.change(_SWAP_SERVICE_KEY, (new.kid, new.wrapped, *read)))

        return await self._write(work)

    async def note_unused(
        self, lease: Lease, kids: Collection[str], at: datetime, event: AuditEvent
    ) -> None:
        """Remember since when nothing hangs on these keys. Raise LeaseLost."""

        async def work(transaction: Transaction) -> None:
            await held(transaction, lease)
            await transaction.change(_FORGET)
            for kid in kids:
                if await transaction.one(_IN_USE, (kid, kid)) is None:
                    await transaction.change(_NOTE, (kid, micros(at)))
            await transaction.audit(event)

        await self._write(work, of=NO_PROJECT)

    async def project_seeds(self, project_id: UUID) -> Sequence[WrappedSeed]:
        """Return every seed of a project, oldest first. Raise ProjectNotFound."""
        rows = await self._all(_OF_PROJECT, (str(project_id),), of=project_id)
        if not rows:
            raise ProjectNotFound
        return [WrappedSeed(*row) for row in rows]

    async def add_seed(
        self, lease: Lease, until: datetime, project_id: UUID, seed: WrappedSeed, event: AuditEvent
    ) -> bool:
        """Add a generation, unless it is there already. Raise LeaseLost, ProjectNotFound."""
        row = (str(project_id), seed.generation, seed.kid, seed.wrapped)

        async def work(transaction: Transaction) -> bool:
            await renew(transaction, lease, until)
            if await transaction.one(_PROJECT_EXISTS, row[:1]) is None:
                raise ProjectNotFound
            if not await transaction.change(_ADD, row):
                return False
            await transaction.audit(event)
            return True

        return await self._write(work, of=project_id)
