"""Ask the registry whether a login works, and remember what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import Draft
from regcred.domain.errors import CredentialNotFound, InvalidInput
from regcred.domain.ports import (
    Allowance,
    Clock,
    CredentialRef,
    ProjectRef,
    Registries,
    Sealer,
    Store,
)
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.registry import ImageReference
from regcred.domain.verdict import DEAD, Verdict
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.manage_projects import reach_project
from regcred.usecases.seal_secret import open_current


class VerifyCredential:
    """Checks of stored logins and of logins not stored yet."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        registries: Registries,
        clock: Clock,
        allowance: Allowance,
        exchanges: ExchangeLogins,
        meter: Meter = UNMEASURED,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._registries = registries
        self._clock = clock
        self._allowance = allowance
        self._exchanges = exchanges
        self._meter = meter

    async def stored(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        image: ImageReference | None,
    ) -> Verdict:
        """Check a stored login and add the verdict to its history.

        With an image the verdict speaks of a pull; without one, of acceptance alone. Raise
        ProjectNotFound, CredentialNotFound, AccessDenied, InvalidInput (an image outside the
        login's scope), QuotaExceeded, SealBroken.
        """
        project = await reach_project(self._store, caller, ref, Permission.VERIFY)
        _require_pullable(caller, image)
        # Before it is opened: what is not the caller's looks the same when its seal is broken.
        if not caller.may_see(await self._store.find_credential(project.id, credential)):
            raise CredentialNotFound
        found, secret = await open_current(self._store, self._sealer, project.id, credential)
        self._allowance.take(project.id)
        verdict = await self._registries.verify(found.delivery, secret, image)
        event = AuditEvent.by(
            caller,
            Action.CREDENTIAL_VERIFIED,
            project.id,
            verdict.checked_at,
            str(found.id),
            name=found.name,
            verdict=str(verdict.kind),
            image=verdict.image,
            registry=found.registry_url,
        )
        news = await self._store.record_verdict(
            project.id, found.id, found.secret_version, verdict, event
        )
        self._meter.told(news)
        if verdict.kind not in DEAD and not verdict.by_the_cloud:
            await self._exchanges.prepare(found, image.address() if image else None)
        return verdict

    async def typed_in(
        self, caller: Caller, ref: ProjectRef | None, draft: Draft, image: ImageReference | None
    ) -> Verdict:
        """Check a login that is not stored; only the audit remembers that it was asked.

        Raise ProjectNotFound, AccessDenied, InvalidInput, QuotaExceeded.
        """
        project = await reach_project(self._store, caller, ref, Permission.VERIFY)
        _require_pullable(caller, image)
        draft = self._registries.check(draft)
        self._allowance.take(project.id)
        verdict = await self._registries.verify(draft.delivery, draft.password, image)
        event = AuditEvent.by(
            caller,
            Action.LOGIN_VERIFIED,
            project.id,
            verdict.checked_at,
            verdict=str(verdict.kind),
            image=verdict.image,
            registry=draft.registry_url,
        )
        await self._store.record(event)
        return verdict

    async def history(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        before: int,
        limit: int,
    ) -> Sequence[tuple[int, Verdict]]:
        """Return (number, verdict), newest first. Raise ProjectNotFound, CredentialNotFound."""
        project = await reach_project(self._store, caller, ref, Permission.READ)
        found = await self._store.find_credential(project.id, credential)
        if not caller.may_see(found):
            raise CredentialNotFound
        verdicts = await self._store.list_verdicts(project.id, found.id, before, limit)
        return [(number, _told(caller, verdict)) for number, verdict in verdicts]


def _require_pullable(caller: Caller, image: ImageReference | None) -> None:
    """Raise InvalidInput for an image that a narrowed key may not pull: it would learn of it."""
    if image is not None and not caller.may_pull(image.address(), image.repository):
        raise InvalidInput("image", "must be one that this key may pull")


def _told(caller: Caller, verdict: Verdict) -> Verdict:
    """Return a verdict as the caller may read it: without the names of others' images."""
    return verdict if caller.may_hear_of(verdict.image) else replace(verdict, image=None)
