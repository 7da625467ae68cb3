"""Logins by their ids, sealed as they are: what a hand-out is made of."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, unhurried
from regcred.adapters.storage.sql.resolve import CANDIDATE, candidate
from regcred.adapters.storage.sql.rows import Row, split
from regcred.domain.ports import Candidate

_OF_IDS = f"""
    SELECT c.scopes, {CANDIDATE} FROM json_each(:ids) wanted
    CROSS JOIN credentials c ON c.project_id = :project AND c.id = wanted.value
    CROSS JOIN credential_secrets x
        ON x.project_id = c.project_id AND x.credential_id = c.id AND x.state = 'current'
    CROSS JOIN project_seeds g
        ON g.project_id = x.project_id AND g.generation = x.seed_generation
"""  # noqa: S608  constants alone


class HandOuts(Access):
    """The port's read for hand-outs."""

    async def read_logins(self, project_id: UUID, ids: Collection[UUID]) -> Sequence[Candidate]:
        """Return logins by their ids, each at every one of its scopes; see the port."""
        parameters: dict[str, object] = {
            "project": str(project_id),
            "ids": json.dumps([*map(str, ids)]),
        }
        logins = await unhurried(
            await self._all(_OF_IDS, parameters, of=project_id), _at_every_scope
        )
        return [login for scopes in logins for login in scopes]


def _at_every_scope(row: Row) -> list[Candidate]:
    scopes, *login = row
    made = (candidate((scope, *login)) for scope in split(scopes) or ("",))
    return [one for one in made if one is not None]
