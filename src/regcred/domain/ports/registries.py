"""Real registries, asked about logins."""

from __future__ import annotations

from typing import Protocol

from regcred.domain.credential import Delivery, Draft
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict


class Families(Protocol):
    """What is known of registries without asking any."""

    def family(self, delivery: Delivery) -> str:
        """Return the slug by whose rules a login is treated: a generic one's is its host's."""
        ...

    def fitting(self, slug: str, registry_url: str | None) -> str:
        """Return `slug` if that provider takes logins of this registry, else the one of any."""
        ...


class Registries(Families, Protocol):
    """Real registries, as far as a login concerns them."""

    def check(self, draft: Draft) -> Draft:
        """Check what was typed in by its provider's rules. Raise InvalidInput.

        Return the draft whole: one without a registry is for the provider's own.
        """
        ...

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        """Ask the registry about the login. Every outcome is a verdict; never raises for one.

        Raise QuotaExceeded when too many checks of one host are under way.
        """
        ...
