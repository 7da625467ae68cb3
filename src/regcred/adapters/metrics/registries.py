"""Registries whose checks are counted and timed, whoever asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from regcred.domain.credential import Delivery, Draft
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.ports import Family, Registries
from regcred.domain.ports.measuring import Meter, Trigger
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.verdict import Probe, Verdict


class MeasuredRegistries:
    """The port `Registries` over another; all checks through it have one trigger."""

    def __init__(
        self,
        registries: Registries,
        meter: Meter,
        trigger: Trigger,
        monotonic: Callable[[], float],
    ) -> None:
        self._registries = registries
        self._meter = meter
        self._trigger = trigger
        self._monotonic = monotonic

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        """Ask the registry about the login, and count what it said."""
        began = self._monotonic()
        verdict = await self._registries.verify(delivery, secret, image)
        family = self._registries.family(delivery)
        self._meter.verified(family, verdict.kind, self._trigger, self._monotonic() - began)
        return verdict

    def place(self, delivery: Delivery, registry: RegistryAddress | None) -> str | None:
        """Return where a secret is exchanged for a login, if it is."""
        return self._registries.place(delivery, registry)

    async def exchange(
        self, delivery: Delivery, secret: Secret, place: str
    ) -> FreshLogin | Verdict:
        """Exchange a stored secret, and count what that gave."""
        outcome = await self._registries.exchange(delivery, secret, place)
        failure = outcome.kind if isinstance(outcome, Verdict) else None
        self._meter.exchanged(self._registries.family(delivery), failure)
        return outcome

    async def probe(self, registry_url: str, settings: Mapping[str, str]) -> Probe:
        """Ask a registry what it wants of a login; that is no check of one."""
        return await self._registries.probe(registry_url, settings)

    def check(self, draft: Draft) -> Draft:
        """Check what was typed in by its provider's rules."""
        return self._registries.check(draft)

    def catalogue(self) -> Sequence[Family]:
        """Return every family."""
        return self._registries.catalogue()

    def family(self, delivery: Delivery) -> str:
        """Return the slug of the family that a login belongs to."""
        return self._registries.family(delivery)

    def fitting(self, slug: str, registry_url: str | None) -> str:
        """Return `slug` if that provider takes logins of this registry, else the one of any."""
        return self._registries.fitting(slug, registry_url)
