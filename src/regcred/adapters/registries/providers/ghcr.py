"""GitHub's container registry."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="ghcr",
    title="GitHub Container Registry",
    hosts=("ghcr.io",),
    help=(
        "Type in a GitHub user name and a classic personal access token with the scope "
        "read:packages. Fine-grained tokens are not taken by the registry; where the organization "
        "demands single sign-on, the token must be authorized for it."
    ),
    lifetime="Until the token's own date, a year at most if the organization says so.",
    link="https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
)
