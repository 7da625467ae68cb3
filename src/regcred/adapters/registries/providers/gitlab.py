"""GitLab's container registry, on gitlab.com and on hosts of its users' own."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider, ca_bundle_setting, realm_setting

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
)
