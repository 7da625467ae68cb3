"""One file a registry family. The tuple is explicit: it can be grepped, typed and ordered."""

from __future__ import annotations

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
)
from regcred.domain.errors import InvalidInput

PROVIDERS: tuple[Provider, ...] = (
    docker_hub.PROVIDER,
    ghcr.PROVIDER,
    gitlab.PROVIDER,
    gcp.PROVIDER,
    ecr.PROVIDER,
    acr.PROVIDER,
    digitalocean.PROVIDER,
    generic.PROVIDER,
)
"""In the order in which they are asked whether a host is theirs."""

_BY_SLUG = {provider.slug: provider for provider in PROVIDERS}


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
    return next((provider for provider in PROVIDERS if provider.owns(host)), named)
