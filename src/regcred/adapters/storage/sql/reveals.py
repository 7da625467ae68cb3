"""The trace of answers that hand out logins: the hot path's write.

Reveals of one batch that agree in everything but request and time become one row. The last use
of a credential and of a key, and who fetched it, is moved at most once a minute each: it answers
"is this still used, and by whom?", not "when exactly?", which the audit rows tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from regcred.adapters.storage.sql.fetch_log import FetchLog
from regcred.adapters.storage.sql.recent import REMEMBERED, Recent
from regcred.adapters.storage.sql.rows import Row, json_list, json_text, micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import Action, Reveal

_USE_CREDENTIAL = """
    UPDATE credentials SET last_used_at = ?1, last_used_by = ?2
    WHERE project_id = ?3 AND id IN (SELECT value FROM json_each(?4))
        AND (last_used_at IS NULL OR last_used_at < ?1)
"""
# By its public id alone: an operator's key may pull from any project, its own or not.
_USE_KEY = """
    UPDATE api_keys SET last_used_at = ?1
    WHERE id = ?2 AND (last_used_at IS NULL OR last_used_at < ?1)
"""
KEY = "key:"


class LastUses(NamedTuple):
    """Last uses of one reveal that are due to be moved."""

    at: int
    principal: str
    project_id: str
    credential_ids: Sequence[str]
    key_id: str | None


class RevealLog:
    """Writes reveals, and remembers whose last use is fresh. Belongs to the writer's thread."""

    _fetch_log = FetchLog

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._recent = Recent(remembered)
        self._fetches = self._fetch_log(remembered)

    async def write(self, transaction: Transaction, reveals: Sequence[Reveal]) -> None:
        """Write one row for each group of reveals that are alike."""
        groups: dict[tuple[object, ...], list[Reveal]] = {}
        for reveal in reveals:
            groups.setdefault(reveal.way, []).append(reveal)
        rows = [_row(group) for group in groups.values()]
        await transaction.audit_rows(rows)
        await self.move(transaction, [group[-1] for group in groups.values()])

    async def move(self, transaction: Transaction, reveals: Sequence[Reveal]) -> None:
        """Move last uses and fetches, and write no audit row."""
        try:
            await self._put_uses(transaction, list(filter(None, map(self._due, reveals))))
            await self._fetches.write(transaction, reveals)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Forget what was moved: the transaction that moved it is gone."""
        self._recent.forget()
        self._fetches.forget()

    def _due(self, reveal: Reveal) -> LastUses | None:
        now = micros(reveal.at)
        used = [id_ for id_, _ in reveal.logins if self._recent.due(id_, now)]
        key = None
        if self._recent.due(reveal.principal, now) and reveal.principal.startswith(KEY):
            key = reveal.principal.removeprefix(KEY)
        if not used and key is None:
            return None
        return LastUses(now, reveal.principal, reveal.project_id, used, key)

    async def _put_uses(self, transaction: Transaction, due: Sequence[LastUses]) -> None:
        for now, principal, project_id, used, key in due:
            if used:
                await transaction.change(
                    _USE_CREDENTIAL, (now, principal, project_id, json_list(used))
                )
            if key is not None:
                await transaction.change(_USE_KEY, (now, key))


def _row(group: Sequence[Reveal]) -> Row:
    first, last = group[0], group[-1]
    target, secret_version = first.logins[0] if first.logins else ("", None)
    return (
        micros(first.at),
        first.project_id,
        str(Action.CREDENTIAL_REVEALED),
        first.principal,
        target,
        secret_version,
        first.request_id,
        last.request_id,
        len(group),
        first.peer,
        json_text(first.details),
    )
