"""From a stored login to what a puller receives: opened, or exchanged for one that lasts hours."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from regcred.domain.ports import (
    UNKNOWN_PLACE,
    Candidate,
    LoginPlace,
    Registries,
    SealContext,
    Sealer,
)
from regcred.domain.registry import RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.kept_login import NOWHERE, Exchangeable, NoLogin, Patience
from regcred.usecases.seal_secret import PASSWORD_FIELD


class Login(NamedTuple):
    """What a puller receives."""

    credential_id: str
    credential_name: str
    registry: str
    username: str
    password: Secret
    expires_at: datetime | None
    scope: str
    """The scope by which it was found, as text."""


class Withheld(NamedTuple):
    """A login kept back: the registry turned it away, or the stored secret got none."""

    credential_id: str
    credential_name: str
    verdict: str
    reason: str = ""
    """Why the exchange of the stored secret failed; "" for a login that was turned away."""


class OpenLogin:
    """Opens what was read; a stored secret that is exchanged never leaves itself."""

    def __init__(self, sealer: Sealer, registries: Registries, exchanges: ExchangeLogins) -> None:
        self._sealer = sealer
        self._registries = registries
        self._exchanges = exchanges

    def now(
        self, project_id: str, candidate: Candidate, address: RegistryAddress | None
    ) -> Login | None:
        """Return a login for which nothing need be waited for; None: `__call__` does the rest.

        Raise SealBroken.
        """
        if self._registries.place(candidate.delivery, address) is not None:
            return None
        context = _context(project_id, candidate)
        password = self._sealer.open_now(candidate.seed, context, candidate.sealed)
        if password is None:
            return None
        username = candidate.delivery.username
        return _login(candidate, address, username, password, candidate.expires_at)

    async def __call__(
        self,
        project_id: str,
        candidate: Candidate,
        address: RegistryAddress | None,
        patience: Patience,
    ) -> Login | Withheld:
        """Return the login for a registry (None: for no one registry), or why there is none.

        A first exchange is waited for with patience. Raise SealBroken, KeyringUnavailable,
        StoreUnavailable.
        """
        place = self._registries.place(candidate.delivery, address)
        if place is None:
            context = _context(project_id, candidate)
            password = await self._sealer.open(candidate.seed, context, candidate.sealed)
            username = candidate.delivery.username
            return _login(candidate, address, username, password, candidate.expires_at)
        if place == UNKNOWN_PLACE:
            kind = str(VerdictKind.UNSUPPORTED)
            return Withheld(candidate.id, candidate.name, kind, NOWHERE)
        where = LoginPlace(project_id, candidate.id, place)
        wanted = Exchangeable(
            where, candidate.secret_version, candidate.delivery, candidate.standing
        )
        login = await self._exchanges.login(wanted, patience)
        if isinstance(login, NoLogin):
            return Withheld(candidate.id, candidate.name, str(login.kind), login.note)
        return _login(candidate, address, login.username, login.password, login.expires_at)


def _context(project_id: str, candidate: Candidate) -> SealContext:
    return SealContext(
        project_id, candidate.id, PASSWORD_FIELD, candidate.secret_version, candidate.delivery
    )


def _login(
    candidate: Candidate,
    address: RegistryAddress | None,
    username: str,
    password: Secret,
    expires_at: datetime | None,
) -> Login:
    registry = "" if address is None else str(address)
    return Login(
        candidate.id, candidate.name, registry, username, password, expires_at, candidate.matched
    )
