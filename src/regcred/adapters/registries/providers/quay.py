"""Red Hat's Quay, at quay.io and on hosts of its users' own."""

from __future__ import annotations

from regcred.adapters.registries.provider import (
    Provider,
    Quirks,
    ca_bundle_setting,
    realm_setting,
)


def _rejected(username: str) -> str:
    if "+" in username or username == "$oauthtoken":
        return ""
    return "A robot account's user name is NAMESPACE+NAME, with the plus sign."


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
    quirks=Quirks(rejected_note=_rejected),
)
