"""Check a login before it is stored, and see to what follows from storing it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from regcred.domain.access import Caller
from regcred.domain.audit import Action
from regcred.domain.credential import Delivery, Draft, RegistryCredential
from regcred.domain.errors import CredentialRejected, StoreUnavailable
from regcred.domain.ports import Allowance, Registries, Store
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.project import Project
from regcred.domain.verdict import PROVEN, Verdict
from regcred.usecases.change_credential import audited
from regcred.usecases.exchange_logins import ExchangeLogins


class ProveLogin:
    """What a login has to do with registries on its way into the store."""

    def __init__(
        self,
        store: Store,
        registries: Registries,
        allowance: Allowance,
        exchanges: ExchangeLogins,
        meter: Meter = UNMEASURED,
    ) -> None:
        self._store = store
        self._registries = registries
        self._allowance = allowance
        self._exchanges = exchanges
        self._meter = meter

    def check(self, draft: Draft) -> Draft:
        """Check what was typed in, by its provider's rules, and return it whole.

        Raise InvalidInput.
        """
        return self._registries.check(draft)

    def exchanged(self, delivery: Delivery) -> bool:
        """Whether a stored secret is exchanged, so that it is for nobody's eyes."""
        return self._registries.place(delivery, None) is not None

    async def __call__(self, project: Project, draft: Draft) -> Verdict:
        """Have the registry accept the login. Raise CredentialRejected, QuotaExceeded."""
        self._allowance.take(project.id)
        verdict = await self._registries.verify(draft.delivery, draft.password, None)
        if verdict.kind not in PROVEN:
            raise CredentialRejected(verdict)
        return verdict

    async def finish(
        self,
        caller: Caller,
        stored: RegistryCredential,
        verdict: Verdict | None,
        *,
        fresh: bool = True,
    ) -> RegistryCredential:
        """Record the proof of what was stored, and have a `fresh` secret's login made ready."""
        if fresh:
            # What was to be stored is stored; at the worst the first pull asks for its login.
            with suppress(StoreUnavailable):
                await self._exchanges.prepare(stored)
        if verdict is None:
            return stored
        kind, at = str(verdict.kind), verdict.checked_at
        event = audited(caller, Action.CREDENTIAL_VERIFIED, stored, at, verdict=kind)
        news = await self._store.record_verdict(
            stored.project_id, stored.id, stored.secret_version, verdict, event
        )
        self._meter.told(news)
        return replace(stored, standing=stored.standing.after(verdict))
