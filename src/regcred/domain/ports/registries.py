"""Real registries, asked about logins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from regcred.domain.credential import Delivery, Draft
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.verdict import Probe, Verdict

UNKNOWN_PLACE = "unknown"
"""Where a secret is exchanged that is never handed out, and of which one cannot tell where."""


class Family(NamedTuple):
    """One family of registries, for people to read."""

    slug: str
    title: str
    """What people call it."""

    registries: tuple[str, ...]
    """The registries of a login that names none; each `*` stands for one label of a host."""

    anywhere: bool
    """Whether it is also found at hosts of its users' own."""

    settings: tuple[str, ...]
    help: str
    """What to type in, with the narrowest right that a pull needs."""

    lifetime: str
    """How long what is typed in works."""

    link: str
    """Where the registry's makers say how to make a login."""


class Families(Protocol):
    """What is known of registries without asking any."""

    def catalogue(self) -> Sequence[Family]:
        """Return every family, the one of any registry last."""
        ...

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

    def place(self, delivery: Delivery, registry: RegistryAddress | None) -> str | None:
        """Return where a stored secret is exchanged for a login at that registry.

        Without a registry: at the only one that the login is for, if there is one. UNKNOWN_PLACE:
        it is exchanged, and where cannot be told, so there is no login. None: it is handed out as
        it is stored.
        """
        ...

    async def exchange(
        self, delivery: Delivery, secret: Secret, place: str
    ) -> FreshLogin | Verdict:
        """Exchange a stored secret for a short-lived login, or say why there is none.

        Raise QuotaExceeded: nothing was asked.
        """
        ...

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        """Ask the registry about the login. Every outcome is a verdict; never raises for one.

        A secret that is exchanged is exchanged first, and what that gives is asked about.
        Raise QuotaExceeded when too many checks of one host are under way.
        """
        ...

    async def probe(self, registry_url: str, settings: Mapping[str, str]) -> Probe:
        """Ask a registry what it wants of a login, without one.

        Raise InvalidInput (not one registry, settings other than for the way there),
        QuotaExceeded.
        """
        ...


class Allowance(Protocol):
    """How often the callers of a project may have registries asked.

    Apart from what `Registries` bounds itself, because what the service does of its own accord
    must not use up what people may do.
    """

    def take(self, project_id: UUID, /) -> None:
        """Count one check, before anything goes out. Raise QuotaExceeded."""
        ...
