"""The hot reads of a wave, from one snapshot: one statement for its keys, one for its logins.

The one thing you would get wrong: how long a snapshot may last. It is taken for questions that
are there already, and given back before anything else runs: each is read after it was asked. What
finds a crowd is read a few questions at a time, every few from a snapshot of their own.

Together, because each statement is looked up, bound and run at a cost of its own, and hands the
interpreter's lock to the writer, which may keep it for a while (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from regcred.adapters.storage.sql.resolve import (
    CANDIDATE,
    MAX_FOR_IMAGE,
    SECRETS,
    Resolving,
    logins_of,
    places_of,
)
from regcred.adapters.storage.sql.rows import KEY, KEY_WIDTH, Row, json_list, stored_key
from regcred.domain.errors import RegcredError
from regcred.domain.ports import Candidate, ResolveQuestion, ResolveRead, StoredKey

_MAX_ROWS = 1024
"""Of a wave. What finds more is read one by one, each with a bound of its own."""

_FEW = 4
"""Questions that are read one by one before others of the loop have their turn."""

_KEYS = f"""
    SELECT {KEY}, p.id
    FROM json_each(?) asked
    CROSS JOIN api_keys k ON k.id = asked.value
    LEFT JOIN projects p ON p.id = k.project_id
"""  # noqa: S608  constants alone

# Every look-up by all of an index's columns: a list within IN would be a table of its own, made
# and dropped for every question.
_LOGINS = f"""
    SELECT asked.key, s.scope, {CANDIDATE}
    FROM json_each(?) asked
    CROSS JOIN json_each(asked.value, '$[1]') host
    CROSS JOIN json_each(asked.value, '$[2]') path
    CROSS JOIN credential_scopes s ON s.project_id = asked.value ->> 0
        AND s.lookup = host.value AND s.path = path.value
    CROSS JOIN credentials c ON c.project_id = s.project_id AND c.number = s.number
    {SECRETS}
    LIMIT {_MAX_ROWS}
"""  # noqa: S608  constants alone

_NONE = (None, "")
"""The key and project of whoever has none: logins are looked for all the same, which takes time."""

_Wanted = tuple[str, tuple[str, ...]]
"""(project id, places): logins to look for."""


class Waves(Resolving):
    """Reads from one snapshot for all."""

    _reader: sqlite3.Connection

    async def read_for_resolves(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead | RegcredError]:
        """Read for many at once, and for those alike once; see the port."""
        if len(questions) > 1 and all(map(_is_usual, questions)):
            # What is damaged is told of where it is met: by those alone who asked for it.
            with suppress(RegcredError), self._snapshot():
                read = await self._read_together(questions)
                if read is not None:
                    return read
        each = list(dict.fromkeys(questions))
        answers: dict[ResolveQuestion, ResolveRead | RegcredError] = {}
        for start in range(0, len(each), _FEW):
            if start:
                await asyncio.sleep(0)
            few = each[start : start + _FEW]
            with self._snapshot():
                answers.update(zip(few, await super().read_for_resolves(few), strict=True))
        return [answers[question] for question in questions]

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Have all that is read within see the same. Nothing within may suspend."""
        # What stands in the way of a snapshot, each read will tell by itself.
        with suppress(sqlite3.Error):
            self._reader.execute("BEGIN").close()
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self._reader.execute("COMMIT").close()

    async def _read_together(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead] | None:
        """Read for usual questions; None: they find too much to be read together."""
        keys = await self._keys_of({question.key_id for question in questions})
        asked = [
            (*keys.get(key_id, _NONE), places_of(address, repository))
            for key_id, _, address, repository in questions
        ]
        found = await self._rows_of({(project or "", places) for _, project, places in asked})
        if found is None:
            return None
        logins: dict[_Wanted, Sequence[Candidate]] = {}
        read = []
        for (key, project, places), (_, _, address, repository) in zip(
            asked, questions, strict=True
        ):
            wanted = (project or "", places)
            if wanted not in logins:
                logins[wanted] = logins_of(found.get(wanted, ()), address, repository)
            read.append(ResolveRead(key, project or None, logins[wanted]))
        return read

    async def _keys_of(
        self, ids: Iterable[str | None]
    ) -> dict[str | None, tuple[StoredKey, str | None]]:
        rows = await self._all(_KEYS, (json_list(list(ids)),))
        return {row[0]: (stored_key(row[:KEY_WIDTH]), row[KEY_WIDTH]) for row in rows}

    async def _rows_of(self, wanted: Collection[_Wanted]) -> dict[_Wanted, list[Row]] | None:
        """Return rows of (scope, *CANDIDATE); None: there are too many."""
        each = list(wanted)
        asked = json_list([(project, places[:2], places[2:]) for project, places in each])
        rows = await self._all(_LOGINS, (asked,))
        found: dict[_Wanted, list[Row]] = {}
        for row in rows:
            found.setdefault(each[row[0]], []).append(row[1:])
        # They have no order here, so none is left out: only those read one by one are the best.
        crowded = any(len(logins) > MAX_FOR_IMAGE for logins in found.values())
        return None if crowded or len(rows) == _MAX_ROWS else found


def _is_usual(question: ResolveQuestion) -> bool:
    """Whether it asks about an image, with a key, in that key's own project."""
    return (
        question.key_id is not None and question.project is None and question.repository is not None
    )
