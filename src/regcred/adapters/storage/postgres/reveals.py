"""The trace of answers on PostgreSQL: what one batch moves, in one statement of each kind.

Rows that others have locked are not waited for: a last use that is not moved now is moved with the
next one, and who hands out logins never waits for who edits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from regcred.adapters.storage.sql.fetch_log import FetchLog, Login, Moved
from regcred.adapters.storage.sql.reveals import LastUses, RevealLog
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Transaction

_USE_CREDENTIALS = """
    UPDATE credentials c SET last_used_at = u.at, last_used_by = u.principal
    FROM unnest(
        CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[])
    ) AS u (project_id, id, at, principal)
    WHERE c.project_id = u.project_id AND c.id = u.id AND (c.project_id, c.id) IN (
        SELECT f.project_id, f.id FROM credentials f
        JOIN unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[])) AS v (p, i, a)
            ON f.project_id = v.p AND f.id = v.i
        WHERE f.last_used_at IS NULL OR f.last_used_at < v.a
        FOR NO KEY UPDATE OF f SKIP LOCKED
    )
"""
_USE_KEYS = """
    UPDATE api_keys k SET last_used_at = u.at
    FROM unnest(CAST(? AS text[]), CAST(? AS bigint[])) AS u (id, at)
    WHERE k.id = u.id AND k.id IN (
        SELECT f.id FROM api_keys f
        JOIN unnest(CAST(? AS text[]), CAST(? AS bigint[])) AS v (i, a) ON f.id = v.i
        WHERE f.last_used_at IS NULL OR f.last_used_at < v.a
        FOR NO KEY UPDATE OF f SKIP LOCKED
    )
"""
# In the order of the index, as every batch of every process: so no two wait for each other. The
# foreign key's own look would wait for a login that somebody is deleting: with the lock that it
# wants taken before, or left out, it finds it or is not asked.
_MOVE = """
    INSERT INTO fetches (
        project_id, credential_id, principal, client, image, node, namespace, first_at, last_at
    )
    SELECT c.project_id, c.id, w.principal, w.client, w.image, w.node, w.namespace, w.at, w.at
    FROM unnest(
        CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),
        CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[])
    ) AS w (project_id, credential_id, principal, client, image, node, namespace, at)
    JOIN (
        SELECT f.project_id, f.id FROM credentials f
        JOIN unnest(CAST(? AS text[]), CAST(? AS text[])) AS v (p, i)
            ON f.project_id = v.p AND f.id = v.i
        FOR KEY SHARE OF f SKIP LOCKED
    ) c ON c.project_id = w.project_id AND c.id = w.credential_id
    ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (project_id, credential_id, principal, client, image, node, namespace)
    DO UPDATE SET last_at = excluded.last_at WHERE fetches.last_at < excluded.last_at
"""
_TAKE = """
    SELECT 1 FROM credentials WHERE project_id = ? AND id = ? FOR NO KEY UPDATE SKIP LOCKED
"""


class PostgresFetchLog(FetchLog):
    """Writes fetches of a whole batch by one statement."""

    async def _put(self, transaction: Transaction, moved: Moved) -> None:
        last: dict[Row, int] = {}
        for (project_id, ids), ways in moved.items():
            for id_ in ids:
                for *way, at in ways:
                    place = (project_id, id_, *way)
                    last[place] = max(at, last.get(place, at))
        if last:
            rows = _columns((*place, at) for place, at in last.items())
            logins = _columns(dict.fromkeys(place[:2] for place in last))
            await transaction.change(_MOVE, (*rows, *logins))

    async def _may_look(self, transaction: Transaction, login: Login) -> bool:
        return await transaction.one(_TAKE, login) is not None


class PostgresRevealLog(RevealLog):
    """Moves last uses of a whole batch by two statements."""

    _fetch_log = PostgresFetchLog

    async def _put_uses(self, transaction: Transaction, due: Sequence[LastUses]) -> None:
        credentials: dict[tuple[str, str], tuple[int, str]] = {}
        keys: dict[str, int] = {}
        for at, principal, project_id, ids, key in due:
            credentials |= {(project_id, id_): (at, principal) for id_ in ids}
            if key is not None:
                keys[key] = at
        if credentials:
            columns = _columns((*place, *use) for place, use in credentials.items())
            await transaction.change(_USE_CREDENTIALS, (*columns, *columns[:3]))
        if keys:
            columns = _columns(keys.items())
            await transaction.change(_USE_KEYS, (*columns, *columns))


def _columns(rows: Iterable[Iterable[object]]) -> tuple[list[object], ...]:
    return tuple(map(list, zip(*rows, strict=True)))
