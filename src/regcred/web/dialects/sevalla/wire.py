"""Sevalla's shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.ports import Families
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.web.shapes import SecretText, StrictShape, Text, example, patch_example

Registry = Literal["gcr", "ecr", "dockerHub", "github", "gitlab", "digitalOcean", "custom"]

_PROVIDERS: dict[Registry, str] = {
    "gcr": "gcp",
    "ecr": "ecr",
    "dockerHub": "docker_hub",
    "github": "ghcr",
    "gitlab": "gitlab",
    "digitalOcean": "digitalocean",
    "custom": "generic",
}
_REGISTRIES = {provider: registry for registry, provider in _PROVIDERS.items()}

Name = Annotated[
    str,
    Text(
        minimum=1,
        maximum=255,
        about={
            "description": "Unique in the company; printable, no slash or backslash, no "
            "surrounding spaces, not ending in a colon and a word."
        },
    ),
]
Username = Annotated[
    str,
    Text(
        pattern="^(?=.{1,39}$)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$",
        rule="must be 1 to 39 of A-Z a-z 0-9 . _ - with a letter or digit at both ends",
    ),
]
RegistrySecret = Annotated[
    Secret,
    SecretText(
        pattern="^.{8,128}$",
        rule="must be 8 to 128 characters without line breaks",
        about={"writeOnly": True},
    ),
]
RegistryField = Annotated[
    Registry,
    Field(
        description="Which registries the login is for. A custom one is used by its id alone, "
        "unless the native API gave it an address."
    ),
]


class NewRegistry(StrictShape):
    """A login to store."""

    model_config = example(
        name="CI pull",
        username="robot",
        secret="a-token-that-pulls",  # noqa: S106  example
        registry="github",
    )

    name: Name
    username: Username
    secret: RegistrySecret
    registry: RegistryField = "custom"

    def draft(self) -> Draft:
        """Return what the use case takes. Raise InvalidInput."""
        return Draft(self.name, self.username, self.secret, provider=_PROVIDERS[self.registry])


class RegistryUpdate(StrictShape):
    """What to change; the rest stays."""

    model_config = patch_example(secret="another-token")  # noqa: S106  example

    # Their defaults are never read: only fields that were set are.
    name: Name = ""
    username: Username = ""
    secret: RegistrySecret = None  # type: ignore[assignment]  # see above
    registry: RegistryField = "custom"

    def change_of(self, old: RegistryCredential, families: Families) -> Change:
        """Return what changes of `old`; what this wire does not know is kept.

        The registry moves only if another is given than is shown, and then to all of that family's:
        this wire has no address.
        """
        given = {"password" if name == "secret" else name for name in self.model_fields_set}
        given.discard("registry")
        moved = "registry" in self.model_fields_set and self.registry != shown_as(old, families)
        if moved:
            given |= {"provider", "registry_url", "settings"}
        return Change(
            frozenset(given),
            name=self.name,
            username=self.username,
            password=self.secret,
            provider=_PROVIDERS[self.registry],
        )


class DockerRegistry(StrictShape):
    """A stored login without its secret."""

    id: UUID
    company_id: UUID
    name: str
    registry: Registry
    username: str
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})

    @classmethod
    def of(cls, credential: RegistryCredential, families: Families) -> DockerRegistry:
        """Render a credential."""
        return cls(
            id=credential.id,
            company_id=credential.project_id,
            name=credential.name,
            registry=shown_as(credential, families),
            username=credential.username,
            created_at=_milliseconds(credential.created_at),
            updated_at=_milliseconds(credential.updated_at),
        )


_SHOWN: Any = {
    "id": "019a9c1e-0000-7000-8000-0000000000c1",
    "company_id": "019a9c1e-0000-7000-8000-000000000001",
    "name": "CI pull",
    "registry": "github",
    "username": "robot",
    "created_at": "2026-11-21T10:00:00.000Z",
    "updated_at": "2026-11-21T10:00:00.000Z",
}


class RegistryPage(StrictShape):
    """One page, and how many there are on all of them."""

    model_config = example(data=[_SHOWN], total=1, offset=0, limit=25)

    data: list[DockerRegistry]
    total: int
    offset: int
    limit: int


class Message(StrictShape):
    """What was done."""

    model_config = example(message="Docker registry credential deleted")

    message: str


class ErrorData(StrictShape):
    """More about what went wrong."""

    code: str
    message: str


class Error(StrictShape):
    """What went wrong."""

    model_config = example(
        message="username: must be text",
        status=422,
        data={"code": "INVALID_INPUT", "message": "Unprocessable Entity"},
    )

    message: str
    status: int
    data: ErrorData


def shown_as(credential: RegistryCredential, families: Families) -> Registry:
    """Return the vendor's word for a login's registry."""
    return _REGISTRIES.get(families.family(credential.delivery), "custom")


def _milliseconds(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
