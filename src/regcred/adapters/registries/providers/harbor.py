"""Harbor, always on a host of its users' own."""

from __future__ import annotations

from regcred.adapters.registries.provider import (
    Provider,
    Quirks,
    ca_bundle_setting,
    realm_setting,
)


def _rejected(username: str) -> str:
    if username.startswith("robot") and "$" not in username:
        return "A robot account's user name begins with robot$: a shell may have taken the $ away."
    return (
        "The name or secret is wrong, or the robot was disabled. Harbor also answers so for a "
        "moment after anybody failed with this name: verify again before you change anything."
    )


_DENIED = (
    "Give the robot the permission Pull Repository in this project, and look at its date: some "
    "Harbors still let a robot log in that is past it."
)


PROVIDER = Provider(
    slug="harbor",
    title="Harbor",
    anywhere=True,
    settings={"realm": realm_setting, "ca_bundle": ca_bundle_setting},
    help=(
        "Give your Harbor's address as the registry. Type in a robot account's whole name "
        "(robot$PROJECT+NAME, or the prefix that your Harbor has) and its secret, with the "
        "permission Pull Repository; or a user name and the CLI secret of its profile."
    ),
    lifetime="A robot's secret until its date, or for ever.",
    link="https://goharbor.io/docs/main/working-with-projects/project-configuration/create-robot-accounts/",
    quirks=Quirks(rejected_note=_rejected, denied_note=_DENIED),
)
