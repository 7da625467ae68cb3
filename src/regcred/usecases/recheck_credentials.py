"""Check logins that nobody asked about, and announce ends that come near.

The one thing you would get wrong: how often. Nothing here decides it: `schedule` does, and the
store plans by it. What is claimed is asked about once, with an image by HEAD alone; whatever keeps
one login from a verdict postpones that login and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from regcred.domain import schedule
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import Delivery
from regcred.domain.errors import (
    CredentialNotFound,
    InvalidInput,
    QuotaExceeded,
    RegcredError,
    StoreUnavailable,
)
from regcred.domain.ports import Clock, DueCheck, Registries, Sealer, Store
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.registry import ImageReference
from regcred.domain.schedule import RESTS, Plan
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict
from regcred.usecases.seal_secret import open_current

PRINCIPAL = "system:recheck"

_SPARE = timedelta(seconds=30)
"""What a claim must last yet for its check to begin: more than a check takes."""


class RecheckCredentials:
    """What is done by the clock. There is no caller: the audit says `system:recheck`."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        registries: Registries,
        clock: Clock,
        meter: Meter = UNMEASURED,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._registries = registries
        self._clock = clock
        self._meter = meter
        self._planned = 0
        """The number of the project for which `plan` did something last."""

    async def plan(self, limit: int) -> bool:
        """Plan up to `limit` logins of a project that has another interval: projects take turns.

        Return whether there was such a project.
        """
        planned = await self._store.plan_checks(self._clock(), limit, self._planned)
        if planned is not None:
            self._planned = planned.project
        return planned is not None

    async def announce(self, limit: int) -> int:
        """Announce ends that have come nearer; return how many."""
        told = await self._store.claim_expiry_notices(self._clock(), limit)
        self._meter.told(told)
        return len(told)

    async def claim(self, lease: timedelta, limit: int) -> Sequence[DueCheck]:
        """Claim checks that are due. Each is for `check`, while the lease lasts."""
        return await self._store.claim_checks(self._clock(), lease, limit)

    async def due(self) -> int:
        """Return how many checks are due and unclaimed, for who watches. Raise StoreUnavailable."""
        return await self._store.checks_due(self._clock())

    async def check(self, due: DueCheck) -> RegcredError | None:
        """Make a claimed check; return what kept it from a verdict, if anything.

        Such a login is postponed, or is gone. Raise StoreUnavailable: the check is due again when
        its claim ends.
        """
        if self._clock() + _SPARE > due.until:
            return None  # Another worker may have it soon: two would ask.
        try:
            await self._check(due)
        except StoreUnavailable:
            raise
        except CredentialNotFound as gone:
            return gone
        except RegcredError as error:
            await self._store.postpone_check(due, self._later(due, error))
            return error
        return None

    async def postpone(self, due: DueCheck) -> None:
        """Put a claimed check off as one that failed."""
        await self._store.postpone_check(due, self._later(due))

    async def _check(self, due: DueCheck) -> None:
        found, secret = await open_current(
            self._store, self._sealer, due.project_id, due.credential_id
        )
        verdict = await self._ask(found.delivery, secret, due.image)
        event = AuditEvent(
            Action.CREDENTIAL_VERIFIED,
            due.project_id,
            PRINCIPAL,
            verdict.checked_at,
            str(found.id),
            details={
                "name": found.name,
                "verdict": str(verdict.kind),
                "image": verdict.image,
                "registry": found.registry_url,
            },
        )
        news = await self._store.record_verdict(
            due.project_id, found.id, found.secret_version, verdict, event, automatic=True
        )
        self._meter.told(news)

    async def _ask(self, delivery: Delivery, secret: Secret, image: str | None) -> Verdict:
        """Ask with the image, or without it where the login is for others by now."""
        if image is not None:
            try:
                return await self._registries.verify(delivery, secret, ImageReference.parse(image))
            except InvalidInput:
                pass
        return await self._registries.verify(delivery, secret, None)

    def _later(self, due: DueCheck, error: RegcredError | None = None) -> Plan:
        if isinstance(error, InvalidInput):
            return RESTS  # Only an image says which of its registries to ask: a person gives one.
        now = self._clock()
        spread = schedule.spread_of(due.credential_id, now)
        if isinstance(error, QuotaExceeded):
            wait = timedelta(seconds=error.retry_after)
            return schedule.refused_here(now, wait, failures=due.failures, spread=spread)
        return schedule.postponed(now, every=due.every, failures=due.failures, spread=spread)
