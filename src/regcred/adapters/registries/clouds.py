"""Exchange stored secrets with the clouds that give logins for them.

It picks the family's exchange and keeps the bounds; which host is asked is fixed by the family, or
by the operator, and every connection still goes through the guarded transport.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from regcred.adapters.registries import providers, signing
from regcred.adapters.registries.client import RegistryClient
from regcred.adapters.registries.exchange import SERVICES, Ask, Exchange, exchanged
from regcred.adapters.registries.limits import HostRate, Places
from regcred.adapters.registries.messages import Finding
from regcred.adapters.registries.origins import parse_url
from regcred.domain.credential import Delivery
from regcred.domain.errors import InvalidInput
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.ports import Clock
from regcred.domain.registry import RegistryAddress, Scope
from regcred.domain.secret import Secret
from regcred.domain.verdict import EvidenceValue, VerdictKind

EXCHANGE_SECONDS = 7.5
"""For a whole exchange: less than a pull waits for its login."""

AT_ONCE = 32
"""Exchanges under way at once, apart from checks: slow registries hold up no pull's login."""

_PATIENCE = 1.0
"""Seconds that an exchange waits for its place."""

_NO_EXCHANGE = "The credential's provider exchanges no secrets."
_NOT_INSTALLED = "This server was installed without what signs for this cloud: regcred[{}]."
_UNKEEPABLE = "The cloud gave a login that cannot be kept: it is too long, or no text."
_ENDED: Mapping[str, EvidenceValue] = {
    "cause": "clock",
    "note": "The cloud gave a login that has ended already: check the clock of this server.",
}


class Clouds:
    """The services that exchange secrets, as the operator lets them be used."""

    def __init__(
        self,
        clock: Clock,
        client: RegistryClient,
        rate: HostRate,
        endpoints: Mapping[str, str],
        allow_raw: Collection[str],
    ) -> None:
        """Take where services are reached instead, and which families keep their secrets raw.

        Raise ValueError for an unreadable URL, and for a family that cannot.
        """
        self._clock = clock
        self._client = client
        self._rate = rate
        self._places = Places(AT_ONCE, _PATIENCE)
        self._endpoints = _checked(endpoints)
        self._allow_raw = frozenset(allow_raw)
        able = {
            provider.slug
            for provider in providers.PROVIDERS
            if provider.exchange is not None and provider.exchange.as_stored
        }
        if not self._allow_raw <= able:
            raise ValueError(f"allow_raw takes {', '.join(sorted(able))}")

    def place(self, delivery: Delivery, registry: RegistryAddress | None) -> str | None:
        """Return where a secret is exchanged for a login at that registry; None: it is not."""
        exchange = self._exchange(delivery)
        if exchange is None:
            return None
        return exchange.place(delivery, _only_host(delivery) if registry is None else registry.host)

    async def exchange(
        self, delivery: Delivery, secret: Secret, place: str
    ) -> FreshLogin | Finding:
        """Exchange a stored secret, within the bounds. Raise QuotaExceeded: nothing was asked."""
        exchange = self._exchange(delivery)
        if exchange is None:
            return _unsupported(_NO_EXCHANGE)
        if not await signing.load(exchange.needs):
            return _unsupported(_NOT_INSTALLED.format(exchange.extra))
        now = self._clock()
        ask = Ask(delivery, secret, place, now, self._endpoints)
        self._rate.take(providers.family(delivery.provider, delivery.scopes))
        async with self._places.one():
            obtained = await self._client.run(exchanged(ask, exchange))
        if isinstance(obtained, Finding):
            return obtained
        try:
            login = FreshLogin(obtained.username, obtained.secret, now, obtained.expires_at)
            login.packed()
        except InvalidInput:
            return _unsupported(_UNKEEPABLE)
        return login if login.usable(now) else Finding(VerdictKind.UNREACHABLE, _ENDED)

    def _exchange(self, delivery: Delivery) -> Exchange | None:
        slug = providers.family(delivery.provider, delivery.scopes)
        if slug in self._allow_raw:
            return None
        try:
            return providers.find(slug).exchange
        except InvalidInput:
            return None  # stored by a program that knows more families


def _checked(endpoints: Mapping[str, str]) -> Mapping[str, str]:
    if not endpoints.keys() <= SERVICES:
        raise ValueError(f"endpoints: the services are {', '.join(sorted(SERVICES))}")
    for service, url in endpoints.items():
        try:
            _, target = parse_url(url)
        except ValueError as error:
            raise ValueError(f"endpoints: {service} is {error}") from None
        if target != "/":
            raise ValueError(f"endpoints: {service} must have no path")
    return dict(endpoints)


def _only_host(delivery: Delivery) -> str:
    """Return the one host that a login is for, "" if there are more or none."""
    scopes = [Scope.parse(text) for text in delivery.scopes]
    return scopes[0].host if len(scopes) == 1 and not scopes[0].pattern else ""


def _unsupported(note: str) -> Finding:
    return Finding(VerdictKind.UNSUPPORTED, {"note": note})
