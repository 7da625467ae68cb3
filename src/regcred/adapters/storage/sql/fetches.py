"""The list of who fetched a login."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, unhurried
from regcred.adapters.storage.sql.rows import MAX_INTEGER, Row, instant, instant_or_none, micros
from regcred.domain.errors import CredentialNotFound
from regcred.domain.fetch import Fetch, FetchPosition

_PAGE = """
    SELECT principal, client, image, node, namespace, first_at, last_at, number FROM fetches
    WHERE project_id = :project AND credential_id = :credential AND last_at > :after
        AND (last_at, number) < (:last_at, :number)
    ORDER BY last_at DESC, number DESC LIMIT :limit
"""
_LOST_AT = "SELECT fetches_lost_at FROM credentials WHERE project_id = ? AND id = ?"


class Fetches(Access):
    """The port's methods on fetches."""

    async def list_fetches(
        self,
        project_id: UUID,
        credential_id: UUID,
        after: datetime | None,
        before: FetchPosition | None,
        limit: int,
    ) -> Sequence[Fetch]:
        """Return fetches, newest first; see the port."""
        parameters: dict[str, object] = {
            "project": str(project_id),
            "credential": str(credential_id),
            "after": -MAX_INTEGER if after is None else micros(after),
            "last_at": MAX_INTEGER if before is None else micros(before.last_at),
            "number": 0 if before is None else before.number,
            "limit": limit,
        }
        return await unhurried(await self._all(_PAGE, parameters, of=project_id), _fetch)

    async def fetches_lost_at(self, project_id: UUID, credential_id: UUID) -> datetime | None:
        """Return the newest last time of what is not kept. Raise CredentialNotFound."""
        row = await self._one(_LOST_AT, (str(project_id), str(credential_id)), of=project_id)
        if row is None:
            raise CredentialNotFound
        return instant_or_none(row[0])


def _fetch(row: Row) -> Fetch:
    principal, client, image, node, namespace, first_at, last_at, number = row
    return Fetch(
        principal, client, image, node, namespace, instant(first_at), instant(last_at), number
    )
