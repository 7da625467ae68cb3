"""DigitalOcean's container registry."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="digitalocean",
    title="DigitalOcean Container Registry",
    hosts=("registry.digitalocean.com",),
    help=(
        "Type in an API token with the scope registry:read, as user name and as password alike, or "
        "the user name and password of read-only registry credentials."
    ),
    lifetime=(
        "An API token until its date, or for ever; registry credentials as long as was asked for."
    ),
    link="https://docs.digitalocean.com/products/container-registry/",
)
