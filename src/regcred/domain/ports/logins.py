"""The store's part for logins that stored secrets were exchanged for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from regcred.domain.audit import AuditEvent
from regcred.domain.event import Event
from regcred.domain.ports.sealing import SealedLogin
from regcred.domain.ports.values import KeptLogin, LoginPlace
from regcred.domain.verdict import Verdict


class LoginStore(Protocol):
    """Logins that stored secrets were exchanged for; they live and die with their credential.

    Whoever exchanges claims the place first, so that all workers together ask a cloud once. A
    claim is a text of the claimer's own; one that ran out counts for nothing any more.
    """

    async def find_login(self, place: LoginPlace) -> KeptLogin | None:
        """Return what is kept of a place, if anything."""
        ...

    async def plan_login(self, place: LoginPlace, secret_version: int, at: datetime) -> bool:
        """Have a place exchanged at `at`, unless that is planned or has failed: then it stays so.

        A login that is kept stays. False, and nothing happens, if the secret has another version
        by now, the credential is gone, or it has as many places as it may (32); those that failed
        and never gave a login make room.
        """
        ...

    async def claim_due_logins(
        self, claim: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[LoginPlace]:
        """Claim up to `limit` places that are due: those without a login first, for pulls wait.

        They take no more than `wanted_of(limit)` while others are due, or pulls that name ever
        more places would keep logins from being renewed. First are those that waited longest.
        """
        ...

    async def keep_login(
        self, place: LoginPlace, claim: str, login: SealedLogin, event: AuditEvent
    ) -> bool:
        """Keep what an exchange gave, and let the claim go.

        The secret works: a run of refusals that the cloud's own at this place belong to ends. The
        registry's refusals are not its to end. False, and nothing is written, if
        the claim is no longer held or the secret was replaced.
        """
        ...

    async def fail_login(
        self,
        place: LoginPlace,
        claim: str,
        failure: Verdict,
        refresh_at: datetime | None,
        event: AuditEvent,
        news: Event | None = None,
    ) -> bool:
        """Keep why an exchange failed, and let the claim go; a login that is kept stays.

        `news` is stored along.

        False, and nothing is written, as `keep_login`.
        """
        ...

    async def put_off_login(self, place: LoginPlace, claim: str, at: datetime | None) -> None:
        """Let a claim go without an exchange, which is due again at `at` (None: it rests)."""
        ...
