"""Gcore's shapes: what is written in full, what is shown without its password."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from regcred.domain.credential import Draft, RegistryCredential, derive_scopes
from regcred.domain.ports import Families
from regcred.domain.registry import Scope
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.web.references import shown_registry
from regcred.web.shapes import SecretText, StrictShape, Text, example

NAME = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

_WRITTEN = {"username": "robot", "registry_url": "https://registry.example.com"}
_SHOWN = {"project_id": 1, "name": "ci-pull", **_WRITTEN}
_WHERE = {
    "description": "A host, a URL, or any text. The login is handed out for images there; "
    "with a text that is no address it is used by its name alone.",
}


class NewCredential(StrictShape):
    """A login to store."""

    model_config = example(name="ci-pull", **_WRITTEN, password="a-token")  # noqa: S106  example

    name: Annotated[
        str,
        Text(
            minimum=4,
            pattern=NAME,
            rule="must be a-z 0-9 and hyphens, with no hyphen at either end",
        ),
    ]
    username: Annotated[str, Text(minimum=1)]
    password: Annotated[Secret, SecretText(minimum=1, about={"writeOnly": True})]
    registry_url: Annotated[str, Text(minimum=1, about=_WHERE)]

    def draft(self) -> Draft:
        """Return what the use case takes. Raise InvalidInput."""
        return Draft(self.name, self.username, self.password, self.registry_url)


class CredentialUpdate(StrictShape):
    """All that a replacement replaces."""

    model_config = example(**_WRITTEN, password="another-token")  # noqa: S106  example

    username: Annotated[str, Text()]
    password: Annotated[Secret, SecretText(about={"writeOnly": True})]
    registry_url: Annotated[str, Text(about=_WHERE)]

    def change_of(self, old: RegistryCredential, families: Families) -> Change:
        """Return what changes of `old`; what this wire does not know is kept.

        The registry moves only if another is given than was shown. At another host the settings
        go, which named the old one's token server and certificates, and the provider goes if it
        takes no logins there.
        """
        given = {"username", "password"}
        url, provider = self.registry_url or None, old.provider
        if self.registry_url != shown_registry(old):
            given.add("registry_url")
            # To no registry, and not to the one that its provider has: that was not asked for.
            provider = families.fitting(old.provider, url) if url else "generic"
            if provider != old.provider or _places(derive_scopes(url)) != _places(old.scopes):
                given |= {"provider", "settings"}
        return Change(
            frozenset(given),
            username=self.username,
            password=self.password,
            registry_url=url,
            provider=provider,
        )


def _places(scopes: tuple[Scope, ...]) -> set[tuple[str, int | None]]:
    return {(scope.host, scope.port) for scope in scopes}


class Credential(StrictShape):
    """A stored login without its password."""

    model_config = example(**_SHOWN)

    project_id: int
    name: str
    username: str
    registry_url: str

    @classmethod
    def of(cls, project_id: int, credential: RegistryCredential) -> Credential:
        """Render a credential of the project with that number."""
        return cls(
            project_id=project_id,
            name=credential.name,
            username=credential.username,
            registry_url=shown_registry(credential),
        )


class CredentialPage(StrictShape):
    """One page, and how many there are on all of them."""

    model_config = example(count=1, results=[_SHOWN])

    count: Annotated[int, Field(ge=0)]
    results: list[Credential]


class Error(StrictShape):
    """What went wrong."""

    model_config = example(
        exception_class="ValidationError",
        message="{'username': ['must not be empty']}",
        request_id="8f14e45fceea167a0000000000000001",
        invalid_fields={"username": ["must not be empty"]},
    )

    exception_class: str
    message: str
    request_id: str
    info: dict[str, Any] = Field(default_factory=dict)
    invalid_fields: dict[str, list[str]] = Field(default_factory=dict)
