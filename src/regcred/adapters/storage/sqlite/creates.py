"""Credentials that wait for the same commit: a few statements for all of them.

What `Credentials.create_credential` does for one, with the same rows and refusals. Each run of a
statement hands the interpreter's lock to the event loop and has to win it back, which costs more
than what most statements do. What a statement refuses for all is done again one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from regcred.adapters.storage.sql.credentials import INSERT, Credentials, created, row_of
from regcred.adapters.storage.sql.indexing import (
    INSERT_LABEL,
    INSERT_SCOPE,
    label_rows,
    scope_rows,
)
from regcred.adapters.storage.sql.rows import Row, json_list
from regcred.adapters.storage.sql.sealed_secrets import PUT, secret_row
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.adapters.storage.sqlite.writer import Alike, Writer
from regcred.domain.audit import AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import NameTaken, ProjectNotFound
from regcred.domain.ports import Creation, IdempotentRequest, SealedSecret, Waiting

_MAX_ROWS = 64
"""What one INSERT takes."""

_PROJECT = "SELECT next_credential_number, recheck_every FROM projects WHERE id = ?"
_TAKEN = """
    SELECT c.name FROM json_each(?) w CROSS JOIN credentials c
    WHERE c.project_id = ? AND c.name = w.value
"""
_COUNT_UP = """
    UPDATE projects SET
        next_credential_number = next_credential_number + ?, credential_count = credential_count + ?
    WHERE id = ?
"""


Outcome = RegistryCredential | Exception


class SqliteCredentials(Credentials):
    """The port's methods on one credential."""

    _writer: Writer

    async def create_credential(
        self,
        credential: RegistryCredential,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> RegistryCredential:
        """Store under the next number. Raise ProjectNotFound, NameTaken, AlreadyDone."""
        if idempotent is not None:
            return await super().create_credential(credential, secret, event, idempotent)
        [outcome] = await self._create([Creation(credential, secret, event)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def create_credentials(
        self, wave: Sequence[Waiting[Creation, RegistryCredential]]
    ) -> None:
        """Store many; see the port."""
        outcomes = await self._create([waiting.asked for waiting in wave])
        for waiting, outcome in zip(wave, outcomes, strict=True):
            if isinstance(outcome, Exception):
                waiting.failed(outcome)
            else:
                waiting.done(outcome)

    def _create(self, creations: Sequence[Creation]) -> Awaitable[Sequence[Outcome]]:
        return self._writer.submit(Alike(create_all, creations))


async def create_all(transaction: Transaction, batch: Sequence[Creation]) -> Sequence[Outcome]:
    """Create what can be, and return an outcome for each. Raise Clash, having written some."""
    places = [(str(of.credential.project_id), str(of.credential.id)) for of in batch]
    names: defaultdict[str, list[str]] = defaultdict(list)
    for (project_id, _), of in zip(places, batch, strict=True):
        names[project_id].append(of.credential.name)
    present = {id_: await _project(transaction, id_, named) for id_, named in names.items()}
    made: list[RegistryCredential] = []
    events: list[AuditEvent] = []
    rows: list[Row] = []
    secrets: list[Row] = []
    outcomes: list[Outcome] = []
    for place, (credential, secret, event) in zip(places, batch, strict=True):
        project = present[place[0]]
        if project is None:
            outcomes.append(ProjectNotFound())
        elif credential.name in project.taken:
            outcomes.append(NameTaken("credential"))
        else:
            stored = created(credential, secret, project.next_number + project.made)
            project.taken.add(credential.name)
            project.made += 1
            made.append(stored)
            events.append(event)
            rows.append(row_of(stored, place, project.recheck_every))
            secrets.append(secret_row(place, secret))
            outcomes.append(stored)
    if made:
        await _insert(transaction, INSERT, rows)
        await _insert(transaction, PUT, secrets)
        await _insert(transaction, INSERT_SCOPE, [r for c in made for r in scope_rows(c, c.number)])
        await _insert(transaction, INSERT_LABEL, [r for c in made for r in label_rows(c, c.number)])
        for project_id, project in present.items():
            if project is not None and project.made:
                await transaction.change(_COUNT_UP, (project.made, project.made, project_id))
        await transaction.audit(*events)
    return outcomes


@dataclass(slots=True)
class _Project:
    next_number: int
    recheck_every: int
    taken: set[str]
    made: int = 0


async def _project(
    transaction: Transaction, project_id: str, names: Sequence[str]
) -> _Project | None:
    row = await transaction.one(_PROJECT, (project_id,))
    if row is None:
        return None
    taken = await transaction.all(_TAKEN, (json_list(names), project_id))
    return _Project(row[0], row[1], {name for (name,) in taken})


async def _insert(transaction: Transaction, statement: str, rows: Sequence[Row]) -> None:
    """Insert the rows by statements of powers of two, so that there are few to prepare."""
    start = 0
    while left := len(rows) - start:
        some = min(_MAX_ROWS, 1 << (left.bit_length() - 1))
        values = chain.from_iterable(rows[start : start + some])
        await transaction.change(_many(statement, some), tuple(values))
        start += some


@cache
def _many(statement: str, rows: int) -> str:
    """Return an INSERT of one row as one of so many."""
    into, values, row = statement.rpartition("VALUES")
    return f"{into}{values}{', '.join([row] * rows)}"
