"""Azure's container registries, one host a registry."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="acr",
    title="Azure Container Registry",
    hosts=("*.azurecr.io", "*.azurecr.cn", "*.azurecr.us"),
    help=(
        "Type in a service principal's application id and secret (role AcrPull), or the name and "
        "password of a token whose scope map has content/read on the repositories."
    ),
    lifetime=(
        "A service principal's secret until its date; "
        "a token's password until its own, or for ever."
    ),
    link="https://learn.microsoft.com/azure/container-registry/container-registry-authentication",
)
