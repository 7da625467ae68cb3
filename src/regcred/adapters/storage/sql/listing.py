"""Lists of credentials: a page by keyset on the number, narrowed by any mix of filters.

One index drives each list, picked by the filters, and walks numbers in order, so a page costs
the same in a small project and in a large one. Two filters have no index of their own
(`expiring_before`, `unused_since`): alone, they walk the project. A page by offset walks that much
of one index, and none of the rows that it passes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, unhurried
from regcred.adapters.storage.sql.rows import CREDENTIAL, credential, lookup_of, micros
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import ProjectNotFound
from regcred.domain.ports import CredentialFilter

_AT_HOST = (
    "s.project_id = :project AND s.lookup = :lookup AND "
    "(s.scope = :host OR substr(s.scope, 1, length(:host) + 1) = :host || '/')"
)
_LABELLED = "l.project_id = :project AND l.label = :label"
_LABEL_VALUE = " AND l.value = :value"

_HAS_SCOPE = (
    "EXISTS (SELECT 1 FROM credential_scopes s "  # noqa: S608  constants alone
    f"WHERE {_AT_HOST} AND s.number = c.number)"
)
_HAS_LABEL = (
    "EXISTS (SELECT 1 FROM credential_labels l "  # noqa: S608  constants alone
    f"WHERE {_LABELLED} AND l.number = c.number)"
)
_HAS_LABEL_VALUE = _HAS_LABEL.removesuffix(")") + _LABEL_VALUE + ")"


class _Source(NamedTuple):
    """The table that a list walks, and whose number orders it."""

    tables: str
    number: str
    condition: str
    distinct: str = ""


_AT_OFFSET = f"""
    SELECT {CREDENTIAL} FROM credentials c
    WHERE c.project_id = :project AND c.number >= (
        SELECT number FROM credentials WHERE project_id = :project
        ORDER BY number LIMIT 1 OFFSET :offset
    )
    ORDER BY c.number LIMIT :limit
"""  # noqa: S608  constants alone
_OF_IDS = f"""
    SELECT {CREDENTIAL} FROM json_each(:ids) wanted
    CROSS JOIN credentials c ON c.project_id = :project AND c.id = wanted.value
"""  # noqa: S608  constants alone
_COUNT = "SELECT credential_count FROM projects WHERE id = ?"

_PLAIN = _Source("credentials c", "c.number", "c.project_id = :project")
_JOIN = "CROSS JOIN credentials c ON c.project_id = :project AND c.number ="


class Listing(Access):
    """The port's list of credentials."""

    async def list_credentials(
        self, project_id: UUID, narrowed: CredentialFilter, after: int, limit: int
    ) -> Sequence[RegistryCredential]:
        """Return credentials with a number above `after`, in number order."""
        parameters: dict[str, object] = {
            "project": str(project_id),
            "after": after,
            "limit": limit,
            **_parameters(narrowed),
        }
        return await unhurried(
            await self._all(_statement(narrowed), parameters, of=project_id), credential
        )

    async def credentials_of(
        self, project_id: UUID, ids: Collection[UUID]
    ) -> Sequence[RegistryCredential]:
        """Return those of the project's credentials that have one of the ids."""
        parameters: dict[str, object] = {"project": str(project_id)}
        parameters["ids"] = json.dumps(list(map(str, ids)))
        return await unhurried(await self._all(_OF_IDS, parameters, of=project_id), credential)

    async def credentials_at(
        self, project_id: UUID, offset: int, limit: int
    ) -> Sequence[RegistryCredential]:
        """Return credentials in number order without the first `offset`."""
        parameters = {"project": str(project_id), "offset": offset, "limit": limit}
        return await unhurried(await self._all(_AT_OFFSET, parameters, of=project_id), credential)

    async def count_credentials(self, project_id: UUID) -> int:
        """Return the kept count. Raise ProjectNotFound."""
        row = await self._one(_COUNT, (str(project_id),), of=project_id)
        if row is None:
            raise ProjectNotFound
        return int(row[0])


def _parameters(narrowed: CredentialFilter) -> dict[str, object]:
    parameters: dict[str, object] = {
        name: value
        for name, value in (
            ("name", narrowed.name),
            ("provider", narrowed.provider),
            ("username", narrowed.username),
            ("verdict", narrowed.verdict and str(narrowed.verdict)),
            ("expiring", narrowed.expiring_before and micros(narrowed.expiring_before)),
            ("unused", narrowed.unused_since and micros(narrowed.unused_since)),
        )
        if value is not None
    }
    if narrowed.registry is not None:
        parameters["lookup"] = lookup_of(narrowed.registry.host, narrowed.registry.port)
        parameters["host"] = str(narrowed.registry)
    if narrowed.label is not None:
        parameters["label"], value = narrowed.label
        if value is not None:
            parameters["value"] = value
    return parameters


def _statement(narrowed: CredentialFilter) -> str:
    source = _source(narrowed)
    conditions = [source.condition, f"{source.number} > :after", *_conditions(narrowed)]
    return (
        f"SELECT {source.distinct}{CREDENTIAL} FROM {source.tables} "  # noqa: S608  constants alone
        f"WHERE {' AND '.join(conditions)} ORDER BY {source.number} LIMIT :limit"
    )


def _source(narrowed: CredentialFilter) -> _Source:
    if narrowed.name is not None:
        return _PLAIN
    if narrowed.label is not None:
        value = _LABEL_VALUE if narrowed.label[1] is not None else ""
        tables = f"credential_labels l {_JOIN} l.number"
        return _Source(tables, "l.number", _LABELLED + value)
    if narrowed.registry is not None:
        # A credential may have several scopes at one host.
        tables = f"credential_scopes s {_JOIN} s.number"
        return _Source(tables, "s.number", _AT_HOST, "DISTINCT ")
    return _PLAIN


def _conditions(narrowed: CredentialFilter) -> list[str]:
    """Return a condition for every filter, also for the one that drives: it costs one probe."""
    exact = narrowed.label is not None and narrowed.label[1] is not None
    return [
        condition
        for wanted, condition in (
            (narrowed.name, "c.name = :name"),
            (narrowed.provider, "c.provider = :provider"),
            (narrowed.username, "c.username = :username"),
            (narrowed.verdict, "c.verdict = :verdict"),
            (narrowed.expiring_before, "c.expires_at < :expiring"),
            (
                narrowed.unused_since,
                "(c.last_used_at IS NULL OR c.last_used_at < :unused)",
            ),
            (
                narrowed.registry,
                _HAS_SCOPE,
            ),
            (
                narrowed.label,
                _HAS_LABEL_VALUE if exact else _HAS_LABEL,
            ),
        )
        if wanted is not None
    ]
