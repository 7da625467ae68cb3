"""GitHub's container registry."""

from __future__ import annotations

from regcred.adapters.registries.judgement import Judgement, Row, says
from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.verdict import VerdictKind


def _rejected(_username: str) -> str:
    return (
        "Make a classic personal access token with read:packages: GitHub's registry answers so to "
        "fine-grained tokens, and to those past their date or deleted."
    )


_QUIRKS = Quirks(
    rejected_note=_rejected,
    denied_note=(
        "The token needs read:packages and, where the organization has single sign-on, to be "
        "authorized for it; its account needs the role Read on the package. GitHub says the same "
        "of a package that is not there."
    ),
    rows=(Row(None, {403}, Judgement(VerdictKind.RATE_LIMITED), says("secondary rate limit")),),
)

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
    quirks=_QUIRKS,
)
