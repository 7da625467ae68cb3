"""API keys: found by their public id, changed only inside their project."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, at_version
from regcred.adapters.storage.sql.rows import (
    KEY,
    joined,
    micros,
    micros_or_none,
    stored_key,
)
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.access import ApiKey
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import KeyNotFound, ProjectNotFound
from regcred.domain.ports import IdempotentRequest, StoredKey

_PROJECT_EXISTS = "SELECT 1 FROM projects WHERE id = ?"
_INSERT = """
    INSERT INTO api_keys (
        id, project_id, name, role, operator, image_patterns, expires_at, disabled, created_at,
        version, digest, stamp
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
"""
_FIND = f"SELECT {KEY} FROM api_keys k WHERE k.project_id = ? AND k.id = ?"  # noqa: S608  constants
_BY_ID = f"SELECT {KEY} FROM api_keys k WHERE k.id = ?"  # noqa: S608  constants alone
_PAGE = (
    f"SELECT {KEY} FROM api_keys k WHERE k.project_id = ? AND k.id > ? "  # noqa: S608  constants
    "ORDER BY k.id LIMIT ?"
)
_VERSION = "SELECT version FROM api_keys WHERE project_id = ? AND id = ?"
_UPDATE = """
    UPDATE api_keys SET
        name = ?, image_patterns = ?, expires_at = ?, disabled = ?, stamp = ?,
        version = version + 1
    WHERE project_id = ? AND id = ?
"""
_DELETE = "DELETE FROM api_keys WHERE project_id = ? AND id = ?"


class Keys(Access):
    """The port's methods on keys."""

    async def create_key(
        self,
        stored: StoredKey,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> ApiKey:
        """Raise ProjectNotFound, AlreadyDone."""
        key = stored.key

        async def work(transaction: Transaction) -> ApiKey:
            await self._refuse_repeated(transaction, idempotent)
            if await transaction.one(_PROJECT_EXISTS, (str(key.project_id),)) is None:
                raise ProjectNotFound
            await transaction.change(
                _INSERT,
                (
                    key.id,
                    str(key.project_id),
                    key.name,
                    str(key.role),
                    key.operator,
                    joined(key.image_patterns),
                    micros_or_none(key.expires_at),
                    key.disabled,
                    micros(key.created_at),
                    stored.digest,
                    stored.stamp,
                ),
            )
            await self._remember(transaction, idempotent, key.id)
            await transaction.audit(event)
            return await _stored(transaction, (str(key.project_id), key.id))

        return await self._write(work, of=stored.key.project_id)

    async def find_key(self, project_id: UUID, key_id: str) -> StoredKey:
        """Raise KeyNotFound, also for another project's key."""
        row = await self._one(_FIND, (str(project_id), key_id), of=project_id)
        if row is None:
            raise KeyNotFound
        return stored_key(row)

    async def list_keys(self, project_id: UUID, after: str, limit: int) -> Sequence[ApiKey]:
        """Return keys with an id above `after` ("" for the start), in id order."""
        rows = await self._all(_PAGE, (str(project_id), after, limit), of=project_id)
        return [stored_key(row).key for row in rows]

    async def update_key(
        self, stored: StoredKey, expected_version: int | None, event: AuditEvent
    ) -> ApiKey:
        """Raise KeyNotFound, VersionMismatch."""
        key = stored.key
        place = (str(key.project_id), key.id)

        async def work(transaction: Transaction) -> ApiKey:
            at_version(await transaction.one(_VERSION, place), expected_version, KeyNotFound())
            await transaction.change(
                _UPDATE,
                (
                    key.name,
                    joined(key.image_patterns),
                    micros_or_none(key.expires_at),
                    key.disabled,
                    stored.stamp,
                    *place,
                ),
            )
            await transaction.audit(event)
            return await _stored(transaction, place)

        return await self._write(work, of=stored.key.project_id)

    async def delete_key(
        self, project_id: UUID, key_id: str, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Raise KeyNotFound, VersionMismatch."""
        place = (str(project_id), key_id)

        async def work(transaction: Transaction) -> None:
            at_version(await transaction.one(_VERSION, place), expected_version, KeyNotFound())
            await transaction.change(_DELETE, place)
            await transaction.audit(event)

        await self._write(work, of=project_id)

    async def key_for_authentication(self, key_id: str) -> StoredKey | None:
        """Return the key of that public id, in whatever project; None if there is none."""
        row = await self._one(_BY_ID, (key_id,))
        return None if row is None else stored_key(row)


async def _stored(transaction: Transaction, place: tuple[str, str]) -> ApiKey:
    return stored_key(at_version(await transaction.one(_FIND, place), None, KeyNotFound())).key
