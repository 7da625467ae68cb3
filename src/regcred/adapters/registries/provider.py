"""What a family of registries is, said once: its hosts, its settings, its quirks.

A provider is data. Adding one is one file under providers/ and one line in its tuple
(docs/adding-a-registry.md).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from regcred.adapters.registries.exchange import Exchange
from regcred.adapters.registries.judgement import Row
from regcred.adapters.registries.realm import pinned_origins
from regcred.domain.credential import Draft, derive_scopes
from regcred.domain.errors import InvalidInput, Violation
from regcred.domain.ports import Family
from regcred.domain.registry import Scope
from regcred.domain.verdict import VerdictKind

_MAX_CERTIFICATES = 32

SettingCheck = Callable[[str], None]
"""Passes a setting's value, or raises ValueError with the rule that it breaks."""


def _no_note(_username: str) -> str:
    return ""


def _unknown(_draft: Draft) -> None:
    """Nothing says when it ends."""


def _pass(_draft: Draft) -> None:
    """Find nothing wrong."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where a family's handshake differs from the usual one."""

    token_by_post: bool = False
    """Tokens are asked for by an OAuth2 password grant; the usual way is GET with Basic."""

    rejected_note: Callable[[str], str] = _no_note
    """Says what is probably wrong with a rejected login of this user name; "" for nothing."""

    denied_note: str = ""
    """Says what a login needs here to be let in."""

    rows: tuple[Row, ...] = ()
    """What this family means by an answer that means something else everywhere."""

    def note(self, kind: VerdictKind, username: str) -> str:
        """Return a sentence for a verdict that has none; "" for nothing to say."""
        if kind is VerdictKind.REJECTED:
            return self.rejected_note(username)
        return self.denied_note if kind is VerdictKind.DENIED else ""


@dataclass(frozen=True, slots=True)
class Provider:
    """One family. Hosts are compared whole; each `*` stands for one label."""

    slug: str
    title: str
    """What people call it."""

    hosts: tuple[str, ...] = ()
    """The hosts that only this family has: a generic login there is treated as its own."""

    registries: tuple[str, ...] = ()
    """The registries of a login that names none, if they are others than `hosts`."""

    anywhere: bool = False
    """Whether it is also found at hosts of its users' own."""

    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Where a registry is reached, if not at its own name."""

    settings: Mapping[str, SettingCheck] = field(default_factory=dict)
    check: Callable[[Draft], None] = _pass
    """Looks at what was typed in. Raises InvalidInput."""

    expiry: Callable[[Draft], datetime | None] = _unknown
    """Finds out when what was typed in ends, where it says so itself."""

    exchange: Exchange | None = None
    """Turns a stored secret into a short-lived login; None: it is handed over as it is."""

    help: str = ""
    """What to type in, with the token scope that a pull needs."""

    lifetime: str = ""
    """How long what is typed in works."""

    link: str = ""
    """Where its makers say how to make a login."""

    quirks: Quirks = field(default_factory=Quirks)

    def scopes(self) -> tuple[Scope, ...]:
        """Return which images a login is for that names no registry."""
        return tuple(map(Scope.parse, self.registries or self.hosts))

    def told(self) -> Family:
        """Return the family for people to read."""
        return Family(
            self.slug,
            self.title,
            tuple(map(str, self.scopes())),
            self.anywhere,
            tuple(self.settings),
            self.help,
            self.lifetime,
            self.link,
        )

    def takes(self, registry_url: str | None) -> bool:
        """Whether logins of this registry, or of none, are the family's."""
        if registry_url is None or self.anywhere:
            return True
        return any(map(self._owns, derive_scopes(registry_url)))

    def check_draft(self, draft: Draft) -> None:
        """Check settings, registry and login. Raise InvalidInput."""
        self.check_settings(draft.settings)
        if not self.takes(draft.registry_url):
            places = " or ".join(map(str, self.scopes()))
            raise InvalidInput(
                "registry_url", f"must be {places} (or left out) with the provider {self.slug}"
            )
        self.check(draft)

    def check_settings(self, settings: Mapping[str, str]) -> None:
        """Raise InvalidInput, naming every setting that is unknown or unreadable."""
        violations = [
            Violation(f"settings.{name}", rule)
            for name, value in settings.items()
            if (rule := self._broken_rule(name, value))
        ]
        if violations:
            raise InvalidInput.of(violations)

    def _owns(self, scope: Scope) -> bool:
        return any(Scope(owned).covers_scope(scope) for owned in self.hosts)

    def _broken_rule(self, name: str, value: str) -> str:
        if name not in self.settings:
            known = ", ".join(sorted(self.settings)) or "none"
            return f"unknown to the provider {self.slug} (known: {known})"
        try:
            self.settings[name](value)
        except ValueError as error:
            return str(error)
        return ""


def realm_setting(value: str) -> None:
    """Pass the place of a token server that a credential pins."""
    try:
        pinned_origins(value)
    except ValueError:
        raise ValueError("must be the token server's URL or host[:port]") from None


def ca_bundle_setting(value: str) -> None:
    """Pass 1 to 32 certificates in PEM and nothing else that matters."""
    if not value.isascii():
        raise ValueError("must be plain ASCII (leave names and comments out)")
    if "PRIVATE KEY" in value:
        raise ValueError("must hold certificates alone, and this holds a private key")
    if not 1 <= value.count("-----BEGIN CERTIFICATE-----") <= _MAX_CERTIFICATES:
        raise ValueError(f"must hold 1 to {_MAX_CERTIFICATES} certificates in PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, ValueError):
        raise ValueError("its certificates must be readable PEM") from None
