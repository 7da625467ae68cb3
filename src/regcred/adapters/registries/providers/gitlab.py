"""GitLab's container registry, on gitlab.com and on hosts of its users' own."""

from __future__ import annotations

from regcred.adapters.registries.judgement import Judgement, Row, Step, says
from regcred.adapters.registries.provider import (
    Provider,
    Quirks,
    ca_bundle_setting,
    realm_setting,
)
from regcred.domain.verdict import VerdictKind

_NO_SCOPE = "GitLab knows the token, but it has no scope for the registry: it needs read_registry."
_LOCKED_OUT = (
    "GitLab locks an address out for up to an hour after too many failed logins: find what still "
    "uses an old token, then verify again."
)
_OFF = "The container registry is switched off in this GitLab."
_TOKEN_STEPS = (Step.TOKEN, Step.SCOPED_TOKEN)


def _rejected(username: str) -> str:
    if username == "gitlab-ci-token":
        return "A job's token ends with its job: store a deploy token with read_registry."
    return (
        "Make a deploy token with read_registry, and type in the user name that GitLab shows with "
        "it: tokens past their date are refused, and with two-factor login passwords are."
    )


_QUIRKS = Quirks(
    rejected_note=_rejected,
    denied_note=(
        "The token's account needs the role Reporter in the project, or it must be a deploy token "
        "of this project or group. GitLab says the same of a project that is not there."
    ),
    rows=(
        *(
            Row(step, {403}, Judgement(VerdictKind.DENIED, _NO_SCOPE), says("access forbidden"))
            for step in _TOKEN_STEPS
        ),
        # GitLab refuses a wrong login with 401; 403 with other words is its ban.
        *(
            Row(step, {403}, Judgement(VerdictKind.RATE_LIMITED, _LOCKED_OUT))
            for step in _TOKEN_STEPS
        ),
        *(
            Row(step, {404}, Judgement(VerdictKind.UNSUPPORTED, _OFF), says("registry not enabled"))
            for step in _TOKEN_STEPS
        ),
    ),
)

PROVIDER = Provider(
    slug="gitlab",
    title="GitLab Container Registry",
    hosts=("registry.gitlab.com",),
    anywhere=True,
    settings={"realm": realm_setting, "ca_bundle": ca_bundle_setting},
    help=(
        "Type in the user name and value of a deploy token, or any name and a personal, project or "
        "group access token, with the scope read_registry. For a GitLab of your own also give the "
        "registry, and GitLab's address as `realm`: it issues the tokens on another host."
    ),
    lifetime=(
        "Deploy tokens until midnight UTC of their date, or for ever; "
        "other tokens until their date."
    ),
    link="https://docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry/",
    quirks=_QUIRKS,
)
