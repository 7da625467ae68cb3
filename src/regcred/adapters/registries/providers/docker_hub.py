"""Docker Hub: one registry under several names, with its token server on a host of its own."""

from __future__ import annotations

from regcred.adapters.registries.judgement import Judgement, Row, Step, says
from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.registry import HUB, HUB_ALIASES
from regcred.domain.verdict import VerdictKind

_LOCKED_OUT = (
    "Docker Hub locks out an account or address after too many failed logins: find what still "
    "uses an old password, wait a quarter of an hour, and verify again."
)
_TOKENS_ALONE = (
    "Docker Hub takes an access token alone from this account (its organization enforces single "
    "sign-on, or it has two-factor login): make one and replace the password."
)


def _rejected(username: str) -> str:
    if "@" in username:
        return "Docker Hub takes the Docker ID as user name, not the e-mail address."
    return (
        "Make an access token and replace the password: with two-factor login Docker Hub takes no "
        "password, and with an organization's token the user name is the organization's."
    )


_QUIRKS = Quirks(
    rejected_note=_rejected,
    denied_note=(
        "The account must be a collaborator of the repository or a member of a team that may read "
        "it, and a token must cover it. Docker Hub says the same of a repository that is not there."
    ),
    rows=(
        *(
            Row(step, {429}, Judgement(VerdictKind.RATE_LIMITED, _LOCKED_OUT), says("failed login"))
            for step in (Step.TOKEN, Step.SCOPED_TOKEN)
        ),
        *(
            Row(step, {401}, Judgement(VerdictKind.REJECTED, _TOKENS_ALONE), says("access token"))
            for step in (Step.TOKEN, Step.SCOPED_TOKEN)
        ),
    ),
)


PROVIDER = Provider(
    slug="docker_hub",
    title="Docker Hub",
    hosts=tuple(sorted(HUB_ALIASES)),
    registries=(HUB,),
    endpoints={HUB: "registry-1.docker.io"},
    help=(
        "Type in your Docker ID (not the e-mail address) and a personal access token with the "
        "permission Read-only, or an organization access token with Image Pull on the "
        "repositories."
    ),
    lifetime="Until the token is deleted, or its own date.",
    link="https://docs.docker.com/security/access-tokens/",
    quirks=_QUIRKS,
)
