"""Any registry that speaks the distribution protocol, and nothing special."""

from __future__ import annotations

from regcred.adapters.registries.provider import (
    Provider,
    Quirks,
    ca_bundle_setting,
    realm_setting,
)


def _rejected(username: str) -> str:
    if username == "<token>":
        return "An identity token ends at its own time or when it is revoked: log in for a new one."
    return ""


PROVIDER = Provider(
    slug="generic",
    title="Any registry",
    anywhere=True,
    settings={"realm": realm_setting, "ca_bundle": ca_bundle_setting},
    help=(
        "Type in the user name and the password or token that `docker login` takes, with the "
        "right to pull (often called read, pull or read_registry) and no other. `realm` pins the "
        "token server if it is on another host than the registry; `ca_bundle` holds your own "
        "certificate authority's certificates in PEM. A user name of <token> means that the "
        "password is an identity token."
    ),
    lifetime="As its registry says.",
    quirks=Quirks(rejected_note=_rejected),
)
