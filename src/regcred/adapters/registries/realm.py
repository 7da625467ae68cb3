"""Which token servers may be sent a registry's login.

The rule of the house, to the letter: the realm is on the registry's own host and port, or stands
in the shipped table, or was pinned on the credential; else nothing is sent, not even a question
without the login. Sharing a registrable domain proves nothing (a single label, a bare public
suffix and a trailing dot all have the same empty one) and is never asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from regcred.adapters.registries.origins import HttpHosts, Origin, parse_url

SHIPPED = frozenset(
    {
        ("registry-1.docker.io", "auth.docker.io"),
        ("registry.digitalocean.com", "api.digitalocean.com"),
        ("registry.gitlab.com", "gitlab.com"),
    }
)
"""(registry host, realm host), both https on port 443, exactly as written. An entry is added only
for a registry that is known to issue its tokens there."""

_HTTPS = 443


class UntrustedRealm(Exception):
    """The login must not go there. `note` is a fixed sentence; `host` is known to be harmless."""

    def __init__(self, note: str, host: str | None = None) -> None:
        self.note = note
        self.host = host
        super().__init__(note)


@dataclass(frozen=True, slots=True)
class RealmRule:
    """What one check trusts: its registry, what its credential pins, what the operator allows."""

    registry: Origin
    http_hosts: HttpHosts
    pinned: str | None = None

    def judge(self, realm: str) -> tuple[Origin, str]:
        """Return a trusted realm's origin and target. Raise UntrustedRealm."""
        try:
            origin, target = parse_url(realm)
        except ValueError:
            raise UntrustedRealm("The realm is not a plain, absolute https URL.") from None
        if self.registry.encrypted and not origin.encrypted:
            raise UntrustedRealm("The realm gives up the registry's encryption.", origin.authority)
        if not origin.encrypted and not self.http_hosts.cover(*origin.place):
            raise UntrustedRealm("The realm has no encryption.", origin.authority)
        if not (self._own(origin) or self._shipped(origin) or self._is_pinned(origin)):
            raise UntrustedRealm("The realm is on another host.", origin.authority)
        return origin, target

    def _own(self, realm: Origin) -> bool:
        return realm.place == self.registry.place

    def _shipped(self, realm: Origin) -> bool:
        usual = realm.port == self.registry.port == _HTTPS
        return usual and realm.encrypted and (self.registry.host, realm.host) in SHIPPED

    def _is_pinned(self, realm: Origin) -> bool:
        return self.pinned is not None and realm in pinned_origins(self.pinned)


def pinned_origins(pin: str) -> tuple[Origin, ...]:
    """Return what a pin names: the origin of a URL, or a bare `host[:port]` with either scheme.

    Raise ValueError. Whether http may be used at all is not asked here but by the rule.
    """
    if "://" in pin:
        return (parse_url(pin)[0],)
    return (Origin.parse(pin, "https"), Origin.parse(pin, "http"))
