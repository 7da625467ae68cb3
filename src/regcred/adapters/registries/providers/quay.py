"""Red Hat's Quay, at quay.io and on hosts of its users' own."""

from __future__ import annotations

from regcred.adapters.registries.judgement import Judgement, Row, Step, says
from regcred.adapters.registries.provider import (
    Provider,
    Quirks,
    ca_bundle_setting,
    realm_setting,
)
from regcred.domain.verdict import VerdictKind


def _rejected(username: str) -> str:
    if username == "$oauthtoken":
        return "The application's token is past its date or was revoked: generate a new one."
    if "+" in username:
        return "The robot is not there, or its token was made anew: copy the present one."
    return "A robot account's user name is NAMESPACE+NAME, with the plus sign."


_QUIRKS = Quirks(
    rejected_note=_rejected,
    denied_note=(
        "Give the robot the permission Read on this repository. Quay says the same of a repository "
        "that is not there."
    ),
    rows=(
        Row(
            Step.SCOPED_TOKEN,
            {405},
            Judgement(VerdictKind.DENIED, "Quay's administrators disabled this namespace."),
            says("has been disabled"),
        ),
    ),
)


PROVIDER = Provider(
    slug="quay",
    title="Quay",
    hosts=("quay.io",),
    anywhere=True,
    settings={"realm": realm_setting, "ca_bundle": ca_bundle_setting},
    help=(
        "Type in a robot account's whole name (NAMESPACE+NAME) and its token, with the permission "
        "Read on the repositories; or $oauthtoken and an application's OAuth token."
    ),
    lifetime="A robot's token until it is made anew.",
    link="https://docs.quay.io/glossary/robot-accounts.html",
    quirks=_QUIRKS,
)
