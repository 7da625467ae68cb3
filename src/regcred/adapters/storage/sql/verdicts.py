"""Verdicts and uses: what is known and needed of a credential besides itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.events import put_event
from regcred.adapters.storage.sql.logins import wake_logins
from regcred.adapters.storage.sql.rows import (
    MAX_INTEGER,
    Row,
    as_written,
    details,
    instant,
    json_text,
    micros,
    micros_or_none,
    standing,
    use,
)
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain import schedule
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import CredentialNotFound, UseNotFound
from regcred.domain.event import Event
from regcred.domain.notices import Subject, allowance_low, news_of
from regcred.domain.use import Use
from regcred.domain.verdict import Verdict, VerdictKind

KEPT = 100
"""Verdicts in the history of one credential."""

_EXISTS = "SELECT 1 FROM credentials WHERE project_id = ? AND id = ?"
_PRESENT = """
    SELECT c.secret_version, c.name, c.check_failures, p.recheck_every,
        c.verdict, c.verdict_at, c.dead_since, c.dead_last
    FROM credentials c JOIN projects p ON p.id = c.project_id
    WHERE c.project_id = ? AND c.id = ?
"""
_EARLIER = """
    SELECT kind FROM verdicts WHERE project_id = ? AND credential_id = ?
    ORDER BY number DESC LIMIT 1
"""
# At most the whole history of one credential is looked through.
_ALLOWANCE = """
    SELECT evidence FROM verdicts WHERE project_id = ? AND credential_id = ?
    AND json_extract(evidence, '$.ratelimit_remaining') IS NOT NULL ORDER BY number DESC LIMIT 1
"""
_INSERT = """
    INSERT INTO verdicts (
        project_id, credential_id, secret_version, kind, checked_at, image, evidence
    ) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_FORGET = """
    DELETE FROM verdicts WHERE project_id = ?1 AND credential_id = ?2 AND number <= (
        SELECT number FROM verdicts WHERE project_id = ?1 AND credential_id = ?2
        ORDER BY number DESC LIMIT 1 OFFSET ?3
    )
"""
_MOVE = """
    UPDATE credentials SET
        verdict = ?, verdict_at = ?, dead_since = ?, dead_last = ?,
        check_at = ?, check_failures = ?, check_image = coalesce(?, check_image)
    WHERE project_id = ? AND id = ?
"""
_PAGE = """
    SELECT number, kind, checked_at, image, evidence FROM verdicts
    WHERE project_id = ? AND credential_id = ? AND number < ? ORDER BY number DESC LIMIT ?
"""
# A lease that ran out is no use: putting it again begins a new one.
_PUT_USE = """
    INSERT INTO uses (project_id, credential_id, kind, name, created_at, expires_at)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (project_id, credential_id, kind, name) DO UPDATE SET
        expires_at = excluded.expires_at,
        created_at = iif(
            uses.expires_at <= excluded.created_at, excluded.created_at, uses.created_at
        )
"""
_DELETE_USE = """
    DELETE FROM uses WHERE project_id = ? AND credential_id = ? AND kind = ? AND name = ?
    AND (expires_at IS NULL OR expires_at > ?)
"""
_LIVE_USES = """
    SELECT kind, name, created_at, expires_at FROM uses
    WHERE project_id = ? AND credential_id = ? AND (expires_at IS NULL OR expires_at > ?)
    ORDER BY kind, name
"""


class Verdicts(Access):
    """The port's methods on verdicts."""

    async def record_verdict(
        self,
        project_id: UUID,
        credential_id: UUID,
        secret_version: int,
        verdict: Verdict,
        event: AuditEvent,
        *,
        automatic: bool = False,
    ) -> Sequence[Event]:
        """Add to the history; move standing and plan; add the news. Raise CredentialNotFound."""
        place = (str(project_id), str(credential_id))
        kept = (
            secret_version,
            str(verdict.kind),
            micros(verdict.checked_at),
            verdict.image,
            json_text(verdict.evidence),
        )

        async def work(transaction: Transaction) -> Sequence[Event]:
            present = await transaction.one(_PRESENT, place)
            if present is None:
                raise CredentialNotFound
            news: Sequence[Event] = []
            if present[0] == secret_version:
                news = await _move(transaction, place, present, verdict, automatic=automatic)
                if verdict.wakes:
                    await wake_logins(transaction, place, verdict.checked_at)
            await transaction.change(_INSERT, (*place, *kept))
            await transaction.change(_FORGET, (*place, KEPT))
            await transaction.audit(event)
            return news

        return await self._write(work, of=project_id)

    async def list_verdicts(
        self, project_id: UUID, credential_id: UUID, before: int, limit: int
    ) -> Sequence[tuple[int, Verdict]]:
        """Return (number, verdict), newest first, numbers below `before` (0: from the newest)."""
        place = (str(project_id), str(credential_id), before or MAX_INTEGER, limit)
        return [_numbered(row) for row in await self._all(_PAGE, place, of=project_id)]


@as_written("a verdict")
def _numbered(row: Row) -> tuple[int, Verdict]:
    number, kind, checked_at, image, evidence = row
    return number, Verdict(VerdictKind(kind), instant(checked_at), image, details(evidence))


async def _move(
    transaction: Transaction,
    place: tuple[str, str],
    present: Row,
    verdict: Verdict,
    *,
    automatic: bool,
) -> Sequence[Event]:
    """Move the standing and the plan, and add the news; the history has no `verdict` yet."""
    _, name, failures, every, *stood = present
    before = standing(*stood)
    after = before.after(verdict)
    credential_id = UUID(place[1])
    plan = schedule.next_check(
        before,
        verdict,
        automatic=automatic,
        every=timedelta(seconds=every),
        failures=failures,
        spread=schedule.spread_of(credential_id, verdict.checked_at),
    )
    await transaction.change(
        _MOVE,
        (
            None if after.last is None else str(after.last),
            micros_or_none(after.last_at),
            micros_or_none(after.dead_since),
            micros_or_none(after.dead_last),
            micros_or_none(plan.due_at),
            plan.failures,
            schedule.image_to_check(verdict, automatic=automatic),
            *place,
        ),
    )
    news = news_of(
        Subject(UUID(place[0]), credential_id, name),
        verdict,
        before,
        earlier=before.last or await _earlier(transaction, place),
        was_low=allowance_low(verdict.evidence) and await _was_low(transaction, place),
    )
    return [replace(event, number=await put_event(transaction, event)) for event in news]


async def _earlier(transaction: Transaction, place: tuple[str, str]) -> VerdictKind | None:
    """Return what was last said of a secret before the present one."""
    row = await transaction.one(_EARLIER, place)
    return None if row is None else VerdictKind(row[0])


async def _was_low(transaction: Transaction, place: tuple[str, str]) -> bool:
    row = await transaction.one(_ALLOWANCE, place)
    return row is not None and allowance_low(details(row[0]))


class Uses(Access):
    """The port's methods on uses."""

    async def put_use(
        self, project_id: UUID, credential_id: UUID, use: Use, event: AuditEvent
    ) -> None:
        """Declare or renew a use. Raise CredentialNotFound."""
        place = (str(project_id), str(credential_id))
        row = (use.kind, use.name, micros(use.created_at), micros_or_none(use.expires_at))

        async def work(transaction: Transaction) -> None:
            if await transaction.one(_EXISTS, place) is None:
                raise CredentialNotFound
            await transaction.change(_PUT_USE, (*place, *row))
            await transaction.audit(event)

        await self._write(work, of=project_id)

    async def delete_use(
        self, project_id: UUID, credential_id: UUID, kind: str, name: str, event: AuditEvent
    ) -> None:
        """Raise CredentialNotFound, UseNotFound."""
        place = (str(project_id), str(credential_id))

        async def work(transaction: Transaction) -> None:
            if await transaction.one(_EXISTS, place) is None:
                raise CredentialNotFound
            if not await transaction.change(_DELETE_USE, (*place, kind, name, micros(event.at))):
                raise UseNotFound
            await transaction.audit(event)

        await self._write(work, of=project_id)

    async def list_uses(
        self, project_id: UUID, credential_id: UUID, now: datetime
    ) -> Sequence[Use]:
        """Return live uses by kind and name. Raise CredentialNotFound."""
        place = (str(project_id), str(credential_id))
        rows = await self._all(_LIVE_USES, (*place, micros(now)), of=project_id)
        if not rows and await self._one(_EXISTS, place, of=project_id) is None:
            raise CredentialNotFound
        return [use(row) for row in rows]
