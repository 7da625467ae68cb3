"""GitHub's container registry."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="ghcr",
    hosts=("ghcr.io",),
    help=(
        "Type in a GitHub user name and a classic personal access token with the scope "
        "read:packages. Fine-grained tokens are not taken by the registry; where the organization "
        "demands single sign-on, the token must be authorized for it."
    ),
)
