"""What is due by the clock: automatic checks and notices of a near end.

A claim is a write under SQLite's one write lock, so no two workers get the same row, in one
process or in several. Looking whether anything is due is a read: an idle turn writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.events import put_event
from regcred.adapters.storage.sql.rows import instant, instant_or_none, micros, micros_or_none
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain import schedule
from regcred.domain.event import Event
from regcred.domain.notices import Subject, expiry_notice, next_notice
from regcred.domain.ports import DueCheck, Planned
from regcred.domain.schedule import Plan

_ANY_CHECK = "SELECT 1 FROM credentials WHERE check_at <= ? LIMIT 1"
_CHECKS = """
    SELECT c.project_id, c.id, c.check_image, c.check_failures, p.recheck_every
    FROM credentials c CROSS JOIN projects p ON p.id = c.project_id
    WHERE c.check_at <= ? ORDER BY c.check_at LIMIT ?
"""
_CLAIM = "UPDATE credentials SET check_at = ? WHERE project_id = ? AND id = ?"
_MOVE = "UPDATE credentials SET check_at = ?, check_failures = ? WHERE project_id = ? AND id = ?"
_MOVE_CLAIMED = f"{_MOVE} AND check_at = ?"
_DUE = """
    SELECT count(*) FROM (SELECT 1 FROM credentials WHERE check_at <= ? LIMIT 10000) AS due
"""
_TO_PLAN = """
    SELECT number, id, replan_after, recheck_every FROM projects
    WHERE replan_after IS NOT NULL AND number > ? ORDER BY number LIMIT 1
"""
_UNPLANNED = """
    SELECT number, id, check_at, check_failures, dead_since FROM credentials
    WHERE project_id = ? AND number > ? ORDER BY number LIMIT ?
"""
_PLANNED = "UPDATE projects SET replan_after = ? WHERE id = ?"
_EVERY = "SELECT recheck_every FROM projects WHERE id = ?"
_ANY_NOTICE = "SELECT 1 FROM credentials WHERE notice_at <= ? LIMIT 1"
_NOTICES = """
    SELECT project_id, id, name, expires_at FROM credentials
    WHERE notice_at <= ? ORDER BY notice_at LIMIT ?
"""
_NEXT_NOTICE = "UPDATE credentials SET notice_at = ? WHERE project_id = ? AND id = ?"


class Checks(Access):
    """The port's methods on what is due."""

    async def claim_checks(self, now: datetime, lease: timedelta, limit: int) -> Sequence[DueCheck]:
        """Claim what is due, longest due first; see the port."""
        if await self._one(_ANY_CHECK, (micros(now),)) is None:
            return []
        until = now + lease

        async def work(transaction: Transaction) -> Sequence[DueCheck]:
            claimed: list[DueCheck] = []
            for project_id, id_, image, failures, every in await transaction.all(
                _CHECKS, (micros(now), limit)
            ):
                # The interval was switched off, and the plan has not followed yet.
                await transaction.change(
                    _CLAIM, (micros(until) if every else None, project_id, id_)
                )
                if every:
                    claimed.append(
                        DueCheck(
                            UUID(project_id),
                            UUID(id_),
                            image,
                            timedelta(seconds=every),
                            failures,
                            until,
                        )
                    )
            return claimed

        return await self._write(work)

    async def postpone_check(self, check: DueCheck, plan: Plan) -> None:
        """Plan a claimed check that came to no verdict; see the port."""
        place = (str(check.project_id), str(check.credential_id))
        moved = (micros_or_none(plan.due_at), plan.failures, *place, micros(check.until))
        await self._write(
            lambda transaction: transaction.change(_MOVE_CLAIMED, moved), of=check.project_id
        )

    async def plan_checks(self, now: datetime, limit: int, after: int = 0) -> Planned | None:
        """Plan some credentials of a project whose interval changed; see the port."""
        if await self._one(_TO_PLAN, (0,)) is None:
            return None

        async def work(transaction: Transaction) -> Planned | None:
            project = await transaction.one(_TO_PLAN, (after,)) or await transaction.one(
                _TO_PLAN, (0,)
            )
            if project is None:
                return None
            project_number, project_id, reached, seconds = project
            rows = await transaction.all(_UNPLANNED, (project_id, reached, limit))
            for _number, id_, check_at, failures, dead_since in rows:
                plan = schedule.replanned(
                    Plan(instant_or_none(check_at), failures),
                    dead=dead_since is not None,
                    now=now,
                    every=timedelta(seconds=seconds),
                    spread=schedule.spread_of(UUID(id_), now),
                )
                await move_plan(transaction, (project_id, id_), plan)
            upto = rows[-1][0] if len(rows) == limit else None
            await transaction.change(_PLANNED, (upto, project_id))
            return Planned(project_number, len(rows))

        return await self._write(work)

    async def checks_due(self, now: datetime) -> int:
        """Return how many checks are due and unclaimed; see the port."""
        row = await self._one(_DUE, (micros(now),))
        return int(row[0]) if row else 0

    async def claim_expiry_notices(self, now: datetime, limit: int) -> Sequence[Event]:
        """Add the events of ends that have come nearer; see the port."""
        if await self._one(_ANY_NOTICE, (micros(now),)) is None:
            return []

        async def work(transaction: Transaction) -> Sequence[Event]:
            told: list[Event] = []
            for project_id, id_, name, expires_at in await transaction.all(
                _NOTICES, (micros(now), limit)
            ):
                subject = Subject(UUID(project_id), UUID(id_), name)
                event = expiry_notice(subject, instant(expires_at), now)
                told.append(replace(event, number=await put_event(transaction, event)))
                await plan_notices(transaction, (project_id, id_), instant(expires_at), now)
            return told

        return await self._write(work)


async def move_plan(transaction: Transaction, place: tuple[str, str], plan: Plan) -> None:
    """Store when a credential's next automatic check is due."""
    await transaction.change(_MOVE, (micros_or_none(plan.due_at), plan.failures, *place))


async def plan_new_secret(transaction: Transaction, place: tuple[str, str], at: datetime) -> None:
    """Plan the first automatic check of a secret that is new at `at`."""
    row = await transaction.one(_EVERY, (place[0],))
    every = timedelta(seconds=row[0] if row else 0)
    spread = schedule.spread_of(UUID(place[1]), at)
    await move_plan(transaction, place, schedule.after_new_secret(at, every, spread))


async def plan_notices(
    transaction: Transaction, place: tuple[str, str], expires_at: datetime | None, at: datetime
) -> None:
    """Plan the next notice of an end that is known at `at`."""
    await transaction.change(_NEXT_NOTICE, (micros_or_none(next_notice(expires_at, at)), *place))
