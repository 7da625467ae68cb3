"""The hot read on PostgreSQL: the requests of one turn of the loop in one statement.

Strictly fresh: the statement is sent after the last of its requests came in, and nothing is kept.
It calls the one function that may see every project (`migrations/hot_read.py`: why that is safe).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from regcred.adapters.storage.migrations import hot_read
from regcred.adapters.storage.postgres.address import Address
from regcred.adapters.storage.postgres.failures import ERRORS, broken, unavailable
from regcred.adapters.storage.postgres.pool import Replanned, close_quietly
from regcred.adapters.storage.postgres.together import Together
from regcred.adapters.storage.postgres.walls import EVERY, SETTING
from regcred.adapters.storage.sql.resolve import Resolving, found
from regcred.adapters.storage.sql.rows import Row, lookups
from regcred.domain.errors import RegcredError, StoreUnavailable
from regcred.domain.ports import ProjectRef, ResolveQuestion, ResolveRead
from regcred.domain.registry import RegistryAddress, path_prefixes

MAX_BATCH = 128
LANES = 2
"""Connections that are kept for this alone: while one answers, the other asks."""

MAX_ROWS = 2048
"""Of one answer of the database: requests that find more than that together are asked again."""

_FEW = 24
"""Crowded requests that go together then: their rows come by one answer."""

_LATER = StoreUnavailable("the answer to others was large")
"""Stands for what must be asked again."""

_READ = f"SELECT * FROM {hot_read.NAME}($1, $2, $3, $4, $5, $6) LIMIT {MAX_ROWS}"  # noqa: S608  constants alone


class _Asked(NamedTuple):
    """One request, as the function takes it."""

    key_id: str | None
    project_id: str | None
    project_number: int | None
    exact: str
    pattern: str
    paths: str | None


class HotReads:
    """Answers resolves' reads, each with the rows of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle = [_Lane() for _ in range(LANES)]
        self._together = Together(self._read, most=MAX_BATCH, lanes=LANES)

    async def read(self, asked: _Asked) -> list[Row]:
        """Return the rows that answer, best first. Raise StoreUnavailable."""
        (outcome,) = await self.read_all([asked])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def read_all(self, asked: Sequence[_Asked]) -> list[list[Row] | Exception]:
        """Return for each what `read` returns or raises. Raise StoreUnavailable."""
        outcomes = await self._together.ask_all(asked)
        kept: dict[Row, Row] = {}
        while left := [n for n, outcome in enumerate(outcomes) if outcome is _LATER]:
            # A few, so that others come between; and who asks for little waits for no crowd.
            of_key = Counter(asked[n].key_id for n in left)
            some = sorted(left, key=lambda n: of_key[asked[n].key_id])[:_FEW]
            answers = await self._together.ask_all([asked[n] for n in some])
            for n, outcome in zip(some, answers, strict=True):
                # What is found again and again is kept once, or a crowd fills the memory.
                outcomes[n] = (
                    outcome
                    if isinstance(outcome, Exception)
                    else [kept.setdefault(row, row) for row in outcome]
                )
        return outcomes

    async def close(self) -> None:
        """Wait for what runs and close."""
        await self._together.finish()
        for lane in self._idle:
            if lane.kept is not None:
                await close_quietly(lane.kept.connection)

    async def _read(self, batch: Sequence[_Asked]) -> Sequence[list[Row] | Exception]:
        lane = self._idle.pop()
        try:
            rows = await lane.fetch(self._address, batch)
        except ERRORS as error:
            self._end_broken(lane, error)
            raise unavailable(error) from error
        finally:
            self._idle.append(lane)
        answers: list[list[Row]] = [[] for _ in batch]
        for row in rows:
            answers[row[0] - 1].append(row[1:])
        if len(rows) < MAX_ROWS:
            return answers
        whole = rows[-1][0] - 1  # of the last one there may be more
        return [*answers[:whole], *[_LATER] * (len(batch) - whole)]

    def _end_broken(self, lane: _Lane, error: BaseException) -> None:
        """End the lane's connection if it broke; after a time-out those of idle lanes too."""
        if broken(error):
            for ended in (lane, *(self._idle if isinstance(error, TimeoutError) else ())):
                ended.end()


class _Lane:
    """A connection with the statement prepared on it."""

    def __init__(self) -> None:
        self.kept: Replanned | None = None
        self._prepared: asyncpg.prepared_stmt.PreparedStatement | None = None

    def end(self) -> None:
        """Leave the connection; the next batch opens another."""
        if self.kept is not None:
            self.kept.connection.terminate()
            self.kept = None

    async def fetch(self, address: Address, batch: Sequence[_Asked]) -> list[Row]:
        """Return the function's rows for a batch."""
        arguments = list(map(list, zip(*batch, strict=True)))
        if self.kept is None or self.kept.connection.is_closed():
            self.kept = Replanned(await address.connect())
            self._prepared = None
        await self.kept.refresh()
        connection = self.kept.connection
        shown = _shown(batch)
        if address.prepared and shown is None:
            return await self._run(connection, address, arguments)
        # What is shown ends with the transaction. A pooler that knows no prepared statements keeps
        # one server for one of them.
        await connection.execute(f"BEGIN READ ONLY; SET LOCAL {SETTING} = '{shown or ''}'")
        try:
            return await self._run(connection, address, arguments)
        finally:
            await connection.execute("COMMIT")

    async def _run(
        self, connection: asyncpg.Connection, address: Address, arguments: list[list[object]]
    ) -> list[Row]:
        if not address.prepared:
            return list(map(tuple, await connection.fetch(_READ, *arguments)))
        if self._prepared is None:
            self._prepared = await connection.prepare(_READ)
        return list(map(tuple, await self._prepared.fetch(*arguments)))


def _shown(batch: Sequence[_Asked]) -> str | None:
    """Return what shows the projects of those who ask without a key; None where all have one."""
    projects = {asked.project_id or EVERY for asked in batch if asked.key_id is None}
    if not projects:
        return None
    return projects.pop() if len(projects) == 1 else EVERY


class PostgresResolving(Resolving):
    """The port's hot read."""

    _hot: HotReads

    async def read_for_resolve(
        self,
        key_id: str | None,
        project: ProjectRef | None,
        address: RegistryAddress,
        repository: str | None,
    ) -> ResolveRead:
        """Read everything that one resolve needs; see the port."""
        asked = _asked(key_id, project, address, repository)
        return found([] if asked is None else await self._hot.read(asked), address, repository)

    async def read_for_resolves(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead | RegcredError]:
        """Read for many at once, and for those alike once; see the port."""
        asked = {question: _asked(*question) for question in questions}
        able = [(question, ask) for question, ask in asked.items() if ask is not None]
        rows = await self._hot.read_all([ask for _, ask in able])
        read = dict(zip((question for question, _ in able), rows, strict=True))
        return [_read(question, read.get(question, [])) for question in questions]


def _read(question: ResolveQuestion, rows: list[Row] | BaseException) -> ResolveRead | RegcredError:
    """Return what rows say, or what is wrong with them. Raise what is no RegcredError."""
    if isinstance(rows, RegcredError):
        return rows
    if isinstance(rows, BaseException):
        raise rows
    try:
        return found(rows, question.address, question.repository)
    except RegcredError as error:
        return error


def _asked(
    key_id: str | None,
    project: ProjectRef | None,
    address: RegistryAddress,
    repository: str | None,
) -> _Asked | None:
    """Return what to ask; None where nothing can be found, or nobody asks for anything.

    What a column cannot hold would fail every request of its batch.
    """
    if key_id is None and project is None:
        return None
    exact, pattern = lookups(address)
    paths = None if repository is None else "\n".join(path_prefixes(repository))
    if not all(text.isascii() and "\0" not in text for text in (key_id or "", exact, paths or "")):
        return None
    if isinstance(project, UUID):
        return _Asked(key_id, str(project), None, exact, pattern, paths)
    # A number beyond 64 bits is a number that no project has.
    number = project if project is None or -(2**63) <= project < 2**63 else 0
    return _Asked(key_id, None, number, exact, pattern, paths)
