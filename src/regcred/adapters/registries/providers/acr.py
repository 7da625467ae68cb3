"""Azure's container registries, one host a registry."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="acr",
    hosts=("*.azurecr.io", "*.azurecr.cn", "*.azurecr.us"),
    help=(
        "Type in a service principal's application id and secret (role AcrPull), or the name and "
        "password of a token whose scope map has content/read on the repositories."
    ),
)
