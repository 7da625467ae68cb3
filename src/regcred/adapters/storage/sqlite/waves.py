"""The hot reads of a wave, from one snapshot.

The one thing you would get wrong: how long a snapshot may last. It is taken for questions that
are there already, and given back before anything else runs: each is read after it was asked.

One after the other, because a read's code and pages are then in the processor's caches for the
next, which halves what it costs; and taking a snapshot is system calls (docs/benchmarks.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from regcred.adapters.storage.sql.resolve import Resolving
from regcred.domain.errors import RegcredError
from regcred.domain.ports import ResolveQuestion, ResolveRead


class Waves(Resolving):
    """Reads from one snapshot for all."""

    _reader: sqlite3.Connection

    async def read_for_resolves(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead | RegcredError]:
        """Read for many at once, without suspending; see the port."""
        # What stands in the way of a snapshot, each read will tell by itself.
        with suppress(sqlite3.Error):
            self._reader.execute("BEGIN").close()
        try:
            return await super().read_for_resolves(questions)
        finally:
            with suppress(sqlite3.Error):
                self._reader.execute("COMMIT").close()
