"""One file a registry family. The tuple is explicit: it can be grepped, typed and ordered."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from regcred.adapters.registries.provider import Provider
from regcred.adapters.registries.providers import (
    acr,
    digitalocean,
    docker_hub,
    ecr,
    gcp,
    generic,
    ghcr,
    gitlab,
    harbor,
    quay,
)
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import Scope

PROVIDERS: tuple[Provider, ...] = (
    docker_hub.PROVIDER,
    ghcr.PROVIDER,
    gitlab.PROVIDER,
    gcp.PROVIDER,
    ecr.PROVIDER,
    acr.PROVIDER,
    digitalocean.PROVIDER,
    quay.PROVIDER,
    harbor.PROVIDER,
    generic.PROVIDER,
)
"""In the order in which they are asked whether a host is theirs."""

_BY_SLUG = {provider.slug: provider for provider in PROVIDERS}
# By host, and by pattern: lists ask for each of their logins.
_BY_HOST = {host: provider for provider in PROVIDERS for host in provider.hosts if "*" not in host}
_BY_PATTERN = [
    (Scope(host), provider) for provider in PROVIDERS for host in provider.hosts if "*" in host
]


def find(slug: str) -> Provider:
    """Return the provider of that slug. Raise InvalidInput, which names those there are."""
    try:
        return _BY_SLUG[slug]
    except KeyError:
        known = ", ".join(sorted(_BY_SLUG))
        raise InvalidInput("provider", f"unknown; it must be one of: {known}") from None


def for_host(slug: str, host: str) -> Provider:
    """Return the provider by whose rules a login at `host` is checked.

    A generic login at a host that one family owns is that family's. Raise InvalidInput.
    """
    named = find(slug)
    if named is not generic.PROVIDER:
        return named
    if host in _BY_HOST:
        return _BY_HOST[host]
    asked = Scope(host)
    return next((owner for owned, owner in _BY_PATTERN if owned.covers_scope(asked)), named)


@lru_cache(maxsize=16384)
def family(slug: str, scopes: tuple[str, ...]) -> str:
    """Return the slug by whose rules a login is treated: a generic one's is its hosts'.

    Known here or not: lists must show what an older or newer program stored.
    """
    if slug != generic.PROVIDER.slug:
        return slug
    hosts = {Scope.parse(text).host for text in scopes}
    families = {for_host(slug, host).slug for host in hosts}
    return families.pop() if len(families) == 1 else slug


@lru_cache(maxsize=1024)
def rules(slug: str, scopes: tuple[str, ...]) -> Provider:
    """Return by whose rules what is typed in is checked. Raise InvalidInput.

    A generic login at a family's host is that family's: it may have the family's settings beside
    its own, and the family looks at its secret.
    """
    named = find(slug)
    owner = find(family(slug, scopes))
    if owner is named:
        return named
    return replace(
        owner,
        slug=named.slug,
        anywhere=True,
        settings={**owner.settings, **named.settings},
    )
