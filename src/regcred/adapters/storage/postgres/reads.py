"""Reads: those of one statement that wait together share round trips, and equal ones an answer.

Strictly fresh: each is sent after the last of those whom it answers has asked. A slow kind of read
holds up its own kind alone, as each statement has a few connections and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from asyncpg import Connection

from regcred.adapters.storage.postgres.failures import ERRORS, UNHOLDABLE, unavailable
from regcred.adapters.storage.postgres.pool import Pool
from regcred.adapters.storage.postgres.statements import translate
from regcred.adapters.storage.postgres.together import Together
from regcred.adapters.storage.postgres.walls import EVERY, SETTING
from regcred.adapters.storage.sql.access import Of
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Parameters
from regcred.domain.audit import NO_PROJECT

LANES = 2
"""Transactions of one statement at a time."""

MAX_BATCH = 32
"""Reads of one transaction: the last of them waits for all."""

_MAX_STATEMENTS = 1024


class _Question(NamedTuple):
    """A statement's parameters, and whose rows it may see."""

    shown: str
    arguments: tuple[object, ...]


class Reads:
    """Answers reads from a pool's connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._by_statement: dict[str, Together[_Question, list[Row]]] = {}

    async def all(self, statement: str, parameters: Parameters, of: Of) -> list[Row]:
        """Return every row. Raise StoreUnavailable."""
        made = translate(statement)
        alike = self._by_statement.get(made.text)
        if alike is None:
            if len(self._by_statement) >= _MAX_STATEMENTS:
                self._by_statement.clear()  # what runs goes on
            alike = Together(partial(self._read, made.text), most=MAX_BATCH, lanes=LANES)
            self._by_statement[made.text] = alike
        return await alike.ask(_Question(shown(of), tuple(made.arguments(parameters))))

    async def _read(self, text: str, batch: Sequence[_Question]) -> Sequence[list[Row]]:
        found: dict[_Question, list[Row]] = {}
        try:
            async with self._pool.connection() as connection:
                transaction = _Reading(connection)
                for question in sorted(set(batch), key=_by_project):
                    found[question] = await transaction.all(text, question)
                await transaction.end()
        except ERRORS as error:
            raise unavailable(error) from error
        return [list(found[question]) for question in batch]


class _Reading:
    """A transaction that reads, begun by its first question."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._shown = ""

    async def all(self, text: str, question: _Question) -> list[Row]:
        """Return every row; none for parameters that no column can hold."""
        if question.shown != self._shown:
            begin = "" if self._shown else "BEGIN READ ONLY; "
            await self._connection.execute(f"{begin}SET LOCAL {SETTING} = '{question.shown}'")
            self._shown = question.shown
        try:
            return list(map(tuple, await self._connection.fetch(text, *question.arguments)))
        except UNHOLDABLE:
            await self._connection.execute("ROLLBACK")
            self._shown = ""
            return []

    async def end(self) -> None:
        """End what was begun."""
        if self._shown:
            await self._connection.execute("COMMIT")


def shown(of: Of) -> str:
    """Return the setting that shows the rows which a statement is about."""
    return EVERY if of is None or of == NO_PROJECT else str(of)


def _by_project(question: _Question) -> str:
    return question.shown
