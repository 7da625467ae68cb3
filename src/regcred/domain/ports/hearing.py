"""The store's part in what happens without being asked: events, and what is due by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from regcred.domain.event import Event
from regcred.domain.ports.values import DueCheck, EventFilter, Planned
from regcred.domain.schedule import Plan


class EventStore(Protocol):
    """What a project's people should hear of. An event needs no audit row: it is a trace itself.

    A project keeps its newest 10,000; they go with the project, and outlive their credential.
    Writes that make something worth hearing take events and commit them along.
    """

    async def list_events(
        self, project_id: UUID, narrowed: EventFilter, before: int, limit: int
    ) -> Sequence[Event]:
        """Return events newest first, numbers below `before` (0: from the newest)."""
        ...


class CheckStore(Protocol):
    """What is due by the clock. The rules are `schedule`'s and `notices`'; workers share it.

    Plans are no data: what moves them alone leaves no audit row.
    """

    async def claim_checks(self, now: datetime, lease: timedelta, limit: int) -> Sequence[DueCheck]:
        """Claim what is due, longest due first; each check for one worker of all processes.

        What `record_verdict` or `postpone_check` does not finish is due again after `lease`.
        """
        ...

    async def postpone_check(self, check: DueCheck, plan: Plan) -> None:
        """Plan a claimed check that came to no verdict, unless it was planned anew meanwhile."""
        ...

    async def plan_checks(self, now: datetime, limit: int, after: int = 0) -> Planned | None:
        """Plan up to `limit` credentials of a project whose interval changed, or had no plans.

        It is the one that comes next by number `after` that of another, and around again.
        Return None where there is nothing left to plan.
        """
        ...

    async def checks_due(self, now: datetime) -> int:
        """Return how many checks are due and unclaimed (counted up to 10,000: it reads each)."""
        ...

    async def claim_expiry_notices(self, now: datetime, limit: int) -> Sequence[Event]:
        """Add the events of ends that have come nearer, and return them.

        Each once for one expires_at, by whichever worker is first.
        """
        ...
