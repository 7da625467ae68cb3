"""Credentials that are created in the same turn: a few statements for all of them.

What `Credentials.create_credential` does for one, with the same rows and refusals. The projects'
rows are locked first, so names that are free then stay free and numbers have no gaps. A project
whose row somebody has is waited for apart, by batches of its own: others' creates go on. So is
found what made a batch fail: among one project's creates, which are then done one by one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from regcred.adapters.storage.postgres.failures import of_a_value
from regcred.adapters.storage.postgres.together import Together
from regcred.adapters.storage.postgres.transaction import PostgresTransaction
from regcred.adapters.storage.postgres.writes import TOGETHER, Writes, writing
from regcred.adapters.storage.sql.credentials import Credentials, columns_of
from regcred.adapters.storage.sql.indexing import label_rows, scope_rows
from regcred.adapters.storage.sql.rows import Row, micros, micros_or_none
from regcred.adapters.storage.sql.transaction import Clash
from regcred.domain import ports, schedule
from regcred.domain.audit import AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import InvalidInput, NameTaken, ProjectNotFound, StoreUnavailable
from regcred.domain.notices import next_notice
from regcred.domain.ports import IdempotentRequest, SealedSecret, Waiting
from regcred.domain.verdict import Standing

MAX_BATCH = 128


def _unnest(types: str) -> str:
    """Return unnest over arrays of so many types: t for text, n for a number, b for bytes."""
    named = {"t": "text", "n": "bigint", "b": "bytea"}
    return f"unnest({', '.join(f'CAST(? AS {named[type_]}[])' for type_ in types)})"


_LOCK_FREE = """
    SELECT id, next_credential_number, recheck_every FROM projects
    WHERE id = ANY (CAST(? AS text[])) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""
_THERE = "SELECT id FROM projects WHERE id = ANY (CAST(? AS text[]))"
# Each by the index of names, whatever the planner thinks of how many there are.
_TAKEN = f"""
    SELECT c.project_id, c.name FROM {_unnest("tt")} AS w (project_id, name)
    JOIN LATERAL (
        SELECT t.project_id, t.name FROM credentials t
        WHERE t.project_id = w.project_id AND t.name = w.name LIMIT 1
    ) c ON true
"""  # noqa: S608  constants alone
_INSERT = f"""
    WITH credentials_made AS (
        INSERT INTO credentials (
            name, provider, registry_url, scopes, username, settings, description, labels,
            expires_at, updated_at, created_at, project_id, id, number, version, secret_version,
            check_at, check_failures, notice_at
        ) SELECT * FROM {_unnest("ttttttttnnnttnnnnnn")}
    ), secrets AS (
        INSERT INTO credential_secrets (
            project_id, credential_id, secret_version, state, seed_generation, sealed
        )
        SELECT s.p, s.c, s.v, 'current', s.g, s.s FROM {_unnest("ttnnb")} AS s (p, c, v, g, s)
    ), scopes AS (
        INSERT INTO credential_scopes (project_id, number, lookup, path, scope, whole)
        SELECT * FROM {_unnest("tntttn")}
    ), labels AS (
        INSERT INTO credential_labels (project_id, number, label, value)
        SELECT * FROM {_unnest("tntt")}
    )
    UPDATE projects SET
        next_credential_number = next_credential_number + made.n,
        credential_count = credential_count + made.n
    FROM {_unnest("tn")} AS made (id, n) WHERE projects.id = made.id
"""  # noqa: S608  constants alone


class Creation(NamedTuple):
    """One credential to create."""

    credential: RegistryCredential
    secret: SealedSecret
    event: AuditEvent
    place: tuple[str, str]
    """Project and id, as text."""

    @classmethod
    def of(
        cls, credential: RegistryCredential, secret: SealedSecret, event: AuditEvent
    ) -> Creation:
        """Return it with its place."""
        return cls(credential, secret, event, (str(credential.project_id), str(credential.id)))


Outcome = RegistryCredential | Exception


class _Apart(Exception):
    """Goes apart: its project's row is locked, or a batch of many projects failed."""


class PostgresCredentials(Credentials):
    """The port's methods on one credential."""

    _writes: Writes
    _creations: Together[Creation, RegistryCredential]
    _held: dict[str, Together[Creation, RegistryCredential]]
    """By project: creates that wait for its row."""

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
        creation = Creation.of(credential, secret, event)
        try:
            return await self._creations.ask(creation)
        except _Apart:
            return await self._create_apart(creation)

    async def create_credentials(
        self, wave: Sequence[Waiting[ports.Creation, RegistryCredential]]
    ) -> None:
        """Store many; see the port."""
        creations = [Creation.of(*waiting.asked) for waiting in wave]
        outcomes = await self._creations.ask_all(creations)
        held: list[Awaitable[None]] = []
        for waiting, creation, outcome in zip(wave, creations, outcomes, strict=True):
            if isinstance(outcome, _Apart):
                held.append(self._tell_apart(waiting, creation))
            elif isinstance(outcome, BaseException):
                waiting.failed(outcome)
            else:
                waiting.done(outcome)
        await asyncio.gather(*held)

    async def _tell_apart(
        self, waiting: Waiting[ports.Creation, RegistryCredential], creation: Creation
    ) -> None:
        try:
            waiting.done(await self._create_apart(creation))
        except Exception as error:  # noqa: BLE001  it is the one's who asked for it
            waiting.failed(error)

    async def _create_apart(self, creation: Creation) -> RegistryCredential:
        project = creation.place[0]
        apart = self._held.get(project)
        if apart is None:
            apart = Together(partial(self._create, wait=project), most=MAX_BATCH)
            self._held[project] = apart
        try:
            return await apart.ask(creation)
        finally:
            if apart.idle:
                self._held.pop(project, None)

    async def _create(
        self, batch: Sequence[Creation], wait: str | None = None
    ) -> Sequence[Outcome]:
        """`wait` is the one project that all are of, and whose row is waited for."""

        async def work(transaction: PostgresTransaction) -> Sequence[Outcome]:
            return await create_all(transaction, batch)

        begin = TOGETHER if wait is None else writing(UUID(wait))
        try:
            return await self._writes.run(begin, work, len(batch), place=wait)
        except InvalidInput:
            pass
        except StoreUnavailable as error:
            if not (isinstance(error.__cause__, Clash) or of_a_value(error.__cause__)):
                raise
        if wait is None:
            return [_Apart() for _ in batch]
        return [await self._create_one(creation) for creation in batch]

    async def _create_one(self, creation: Creation) -> Outcome:
        try:
            return await super().create_credential(*creation[:3])
        except Exception as error:  # noqa: BLE001  it is the one's who asked for it
            return error


async def create_all(
    transaction: PostgresTransaction, batch: Sequence[Creation]
) -> Sequence[Outcome]:
    """Create what can be, and return an outcome for each; those whose row others have go apart."""
    wanted = sorted({creation.place[0] for creation in batch})
    projects = {id_: rest for id_, *rest in await transaction.all(_LOCK_FREE, (wanted,))}
    missing = [id_ for id_ in wanted if id_ not in projects]
    held = {id_ for (id_,) in await transaction.all(_THERE, (missing,))} if missing else set()
    names = [(creation.place[0], creation.credential.name) for creation in batch]
    taken = set(await transaction.all(_TAKEN, _columns(names, 2)))
    outcomes: list[Outcome] = []
    made: list[tuple[Creation, int]] = []
    for creation, name in zip(batch, names, strict=True):
        if name[0] not in projects:
            outcomes.append(_Apart() if name[0] in held else ProjectNotFound())
        elif name in taken:
            outcomes.append(NameTaken("credential"))
        else:
            taken.add(name)
            number = projects[name[0]][0]
            projects[name[0]][0] += 1
            made.append((creation, number))
            outcomes.append(_created(creation, number))
    if made:
        every = {id_: seconds for id_, (_, seconds) in projects.items()}
        rows = _columns((_row(*one, every) for one in made), 19)
        await transaction.change(_INSERT, (*rows, *_rest(made)))
        await transaction.audit(*(creation.event for creation, _ in made))
    return outcomes


def _row(creation: Creation, number: int, every: dict[str, int]) -> Row:
    credential, at = creation.credential, creation.credential.created_at
    plan = schedule.after_new_secret(
        at,
        timedelta(seconds=every[creation.place[0]]),
        schedule.spread_of(credential.id, at),
    )
    return (
        *columns_of(credential),
        micros(at),
        *creation.place,
        number,
        1,
        creation.secret.secret_version,
        micros_or_none(plan.due_at),
        plan.failures,
        micros_or_none(next_notice(credential.expires_at, at)),
    )


def _rest(made: Sequence[tuple[Creation, int]]) -> tuple[list[object], ...]:
    secrets = (
        (*c.place, c.secret.secret_version, c.secret.seed.generation, c.secret.sealed)
        for c, _ in made
    )
    scopes = (row for c, number in made for row in scope_rows(c.credential, number))
    labels = (row for c, number in made for row in label_rows(c.credential, number))
    counts = Counter(c.place[0] for c, _ in made)
    return (
        *_columns(secrets, 5),
        *_columns(scopes, 6),
        *_columns(labels, 4),
        *_columns(counts.items(), 2),
    )


def _created(creation: Creation, number: int) -> RegistryCredential:
    return replace(
        creation.credential,
        number=number,
        version=1,
        secret_version=creation.secret.secret_version,
        standing=Standing(),
        last_used_at=None,
        last_used_by=None,
    )


def _columns(rows: Iterable[Iterable[object]], width: int) -> tuple[list[object], ...]:
    """Return rows turned into columns, also where there is none."""
    return tuple(map(list, zip(*rows, strict=True))) or tuple([] for _ in range(width))
