"""The trace of answers on PostgreSQL: what one batch moves, left with its audit rows.

See `traces.py` and revision 0010: nothing waits for rows that others have locked. What was left so
is moved with the next answer that moves it, within the minute too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from regcred.adapters.storage.postgres.traces import Trace
from regcred.adapters.storage.postgres.transaction import PostgresTransaction
from regcred.adapters.storage.sql.fetch_log import FetchLog, Login, Moved, digest_of
from regcred.adapters.storage.sql.reveals import KEY, LastUses, RevealLog
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Transaction

_TAKE = """
    SELECT 1 FROM credentials WHERE project_id = ? AND id = ? FOR NO KEY UPDATE SKIP LOCKED
"""


class PostgresFetchLog(FetchLog):
    """Has fetches of a whole batch written together."""

    async def _put(self, transaction: Transaction, moved: Moved) -> None:
        last: dict[Row, int] = {}
        for (project_id, ids), ways in moved.items():
            for id_ in ids:
                for *way, at in ways:
                    place = (project_id, id_, *way)
                    last[place] = max(at, last.get(place, at))
        trace = _trace(transaction)
        trace.fetches = [(*place, at) for place, at in last.items()]
        trace.moved = moved

    def undo(self, trace: Trace) -> None:
        """Take fetches for not moved that were left: with all logins that went out together."""
        left = {row[:-1] for row in trace.left_fetches}
        if not left:
            return
        for (project_id, ids), ways in trace.moved.items():
            for *way, _ in ways:
                if any((project_id, id_, *way) in left for id_ in ids):
                    self._recent.undo(digest_of(ids, tuple(way)))

    async def _may_look(self, transaction: Transaction, login: Login) -> bool:
        return await transaction.one(_TAKE, login) is not None


class PostgresRevealLog(RevealLog):
    """Has last uses of a whole batch moved together."""

    _fetch_log = PostgresFetchLog
    _fetches: PostgresFetchLog

    async def _put_uses(self, transaction: Transaction, due: Sequence[LastUses]) -> None:
        credentials: dict[tuple[str, str], tuple[int, str]] = {}
        keys: dict[str, int] = {}
        for at, principal, project_id, ids, key in due:
            credentials |= {(project_id, id_): (at, principal) for id_ in ids}
            if key is not None:
                keys[key] = at
        trace = _trace(transaction)
        trace.uses = [(*place, *use) for place, use in credentials.items()]
        trace.key_uses = list(keys.items())

    def undo(self, trace: Trace) -> bool:
        """Take what was left for not moved, and return whether anything was."""
        for id_ in trace.left_uses:
            self._recent.undo(id_)
            self._recent.undo(f"{KEY}{id_}")
        self._fetches.undo(trace)
        return bool(trace.left_uses or trace.left_fetches)


def _trace(transaction: Transaction) -> Trace:
    return cast(PostgresTransaction, transaction).trace
