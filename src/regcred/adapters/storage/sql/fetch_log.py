"""Who fetched a login: a row for each way in which it goes out, moved at most once a minute.

Written with the reveals' audit rows, by one statement for all logins of a batch that were handed
out together in ways not seen within the minute, and by none for any other. The one thing you would
get wrong: dropping what is too much at once. A walk over what is kept for each of a request's
hundreds of logins would hold up the only writer, so rows beyond the bound lie there for a while.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from regcred.adapters.storage.sql.recent import REMEMBERED, Recent
from regcred.adapters.storage.sql.rows import Row, json_list, micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import Reveal
from regcred.domain.fetch import KEPT, MOST

LOOK_EVERY = 64
"""Fetches of one credential after which the store looks whether they are too many."""

# Nothing for a credential that was deleted since it was read.
_MOVE = """
    INSERT INTO fetches (
        project_id, credential_id, principal, client, image, node, namespace, first_at, last_at
    )
    SELECT c.project_id, c.id, way.value ->> 0, way.value ->> 1, way.value ->> 2, way.value ->> 3,
        way.value ->> 4, way.value ->> 5, way.value ->> 5
    FROM json_each(?2) login
    CROSS JOIN credentials c ON c.project_id = ?1 AND c.id = login.value
    CROSS JOIN json_each(?3) way
    WHERE true
    ON CONFLICT (project_id, credential_id, principal, client, image, node, namespace)
    DO UPDATE SET last_at = excluded.last_at WHERE fetches.last_at < excluded.last_at
"""
# A walk over what is kept, in an index that is small; a count would cost each new row a write.
_EXCESS = f"""
    SELECT last_at, number FROM fetches WHERE project_id = ?1 AND credential_id = ?2
    ORDER BY last_at DESC, number DESC LIMIT 1 OFFSET {KEPT}
"""  # noqa: S608  constants alone
_FAR_EXCESS = _EXCESS.replace(f"OFFSET {KEPT}", f"OFFSET {MOST}")
# The plus signs keep both databases from looking for a newer one by its time, among all of them:
# a principal's own stand together in the index of ways.
_FORGET_REPEATED = """
    DELETE FROM fetches
    WHERE project_id = ?1 AND credential_id = ?2 AND (last_at, number) <= (?3, ?4) AND EXISTS (
        SELECT 1 FROM fetches newer
        WHERE newer.project_id = ?1 AND newer.credential_id = ?2
            AND newer.principal = fetches.principal
            AND (+newer.last_at, +newer.number) > (fetches.last_at, fetches.number)
    )
    RETURNING last_at
"""
_FORGET = """
    DELETE FROM fetches
    WHERE project_id = ?1 AND credential_id = ?2 AND (last_at, number) <= (?3, ?4)
    RETURNING last_at
"""
_LOST = """
    UPDATE credentials SET fetches_lost_at = max(coalesce(fetches_lost_at, ?3), ?3)
    WHERE project_id = ?1 AND id = ?2
"""

Login = tuple[str, str]
"""(project id, credential id)."""


Moved = defaultdict[tuple[str, tuple[str, ...]], list[Row]]
"""By (project id, credential ids): the ways they went out, each (*way, last time)."""


class FetchLog:
    """Writes fetches, and remembers which are fresh. Belongs to the writer's thread."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._recent = Recent(remembered)
        self._remembered = remembered
        self._moved: dict[Login, int] = {}
        """Fetches of each login since it was looked at last."""

        self._many: dict[Login, None] = {}
        """Logins to look at, the longest waiting first."""

    async def write(self, transaction: Transaction, reveals: Iterable[Reveal]) -> None:
        """Move what the reveals tell of, then drop some of what is too much."""
        moved: Moved = defaultdict(list)
        for r in reveals:
            now = micros(r.at)
            if self._recent.due(digest(r), now):
                moved[r.project_id, _ids(r)].append((*_way(r), now))
        fetches = 0
        await self._put(transaction, moved)
        for (project_id, ids), ways in moved.items():
            self._count(project_id, ids, ways)
            fetches += len(ids) * len(ways)
        if fetches:
            await self._look(transaction, 1 + fetches // LOOK_EVERY)

    def forget(self) -> None:
        """Forget what was moved: the transaction that moved it is gone."""
        self._recent.forget()

    async def _put(self, transaction: Transaction, moved: Moved) -> None:
        for (project_id, ids), ways in moved.items():
            await transaction.change(_MOVE, (project_id, json_list(ids), json_list(ways)))

    def _count(self, project_id: str, ids: Iterable[str], ways: Sequence[Row]) -> None:
        if len(self._moved) >= self._remembered:
            self._moved.clear()
        for id_ in ids:
            login = (project_id, id_)
            # What is not known may have been fetched often before a start, so it begins anywhere:
            # where the clock stands, which is as good as a die.
            fetches = self._moved.get(login, ways[-1][-1] % LOOK_EVERY) + len(ways)
            if fetches >= LOOK_EVERY:
                self._many[login] = None
                fetches = 0
            self._moved[login] = fetches

    async def _look(self, transaction: Transaction, most: int) -> None:
        """Look at no more logins than keeps up: those of one hand-out come to it all at once."""
        looked_at = list(self._many)[:most]
        for login in looked_at:
            del self._many[login]  # before the first await: others may look meanwhile
        for login in looked_at:
            if await self._may_look(transaction, login):
                await _keep_newest(transaction, login)
            else:
                self._many[login] = None

    async def _may_look(self, transaction: Transaction, login: Login) -> bool:
        """Whether nobody else has the login's row; one that is left is looked at later."""
        return True


def digest(reveal: Reveal) -> int:
    """Return what stands for some logins' going out in a way: their ids alone may be 20 KB.

    64 bits under a key of the process (CPython's SipHash), so no caller makes two ways one.
    """
    return digest_of(_ids(reveal), _way(reveal))


def digest_of(ids: tuple[str, ...], way: tuple[str, ...]) -> int:
    """Return the same from the logins' ids and the columns of the way."""
    return hash((ids, way))


def _ids(reveal: Reveal) -> tuple[str, ...]:
    return tuple([id_ for id_, _ in reveal.logins])


def _way(reveal: Reveal) -> tuple[str, ...]:
    return reveal.principal, reveal.client, reveal.image, reveal.node, reveal.namespace


async def _keep_newest(transaction: Transaction, login: Login) -> None:
    """Drop what is too much; of each principal the newest goes last, so that it stays for long."""
    beyond = await transaction.one(_EXCESS, login)
    if beyond is None:
        return
    lost = await transaction.all(_FORGET_REPEATED, (*login, *beyond))
    far_beyond = await transaction.one(_FAR_EXCESS, login)
    if far_beyond is not None:
        lost += await transaction.all(_FORGET, (*login, *far_beyond))
    if lost:
        await transaction.change(_LOST, (*login, max(row[0] for row in lost)))
