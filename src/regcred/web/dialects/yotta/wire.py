"""Yotta's shapes, of both versions of its API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.ports import Families
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.web.dialects.yotta.errors import SUCCESS, envelope
from regcred.web.shapes import SecretText, StrictShape, Text, example, patch_example

RegistryType = Literal["DOCKER_HUB", "GCR", "ECR", "ACR", "PRIVATE"]

_PROVIDERS: dict[RegistryType, str] = {
    "DOCKER_HUB": "docker_hub",
    "GCR": "gcp",
    "ECR": "ecr",
    "ACR": "acr",
    "PRIVATE": "generic",
}
_TYPES = {provider: type_ for type_, provider in _PROVIDERS.items()}

Name = Annotated[
    str,
    Text(
        minimum=1,
        pattern="^(?=[A-Za-z])[A-Za-z0-9@._-]{1,20}$",
        rule="must be 1 to 20 of A-Z a-z 0-9 @ . _ - and begin with a letter",
    ),
]
Username = Annotated[str, Text(minimum=1, maximum=255)]
Password = Annotated[Secret, SecretText(minimum=1, maximum=255, about={"writeOnly": True})]


class NewCredential(StrictShape):
    """A login to store."""

    model_config = example(name="ci-pull", username="robot", password="a-token", type="GCR")  # noqa: S106  example

    name: Name
    username: Username
    password: Password
    type: RegistryType = Field(
        default="PRIVATE",
        description="Which registries the login is for. A PRIVATE one is used by its id alone.",
    )

    def draft(self) -> Draft:
        """Return what the use case takes. Raise InvalidInput."""
        return Draft(self.name, self.username, self.password, provider=_PROVIDERS[self.type])


class CredentialUpdate(StrictShape):
    """What to change; the rest stays."""

    model_config = patch_example(password="another-token")  # noqa: S106  example

    name: Annotated[str, Text(minimum=1, maximum=20)] = ""
    username: Username = ""
    # Its default is never read: only fields that were set are.
    password: Password = None  # type: ignore[assignment]  # see above

    def change(self) -> Change:
        """Return what the use case takes."""
        return Change(
            frozenset(self.model_fields_set),
            name=self.name,
            username=self.username,
            password=self.password,
        )


class Credential(StrictShape):
    """A stored login; its user name is not shown either."""

    id: int = Field(json_schema_extra={"format": "int64"})
    name: str
    type: RegistryType
    created_at: datetime = Field(alias="createdAt")


class Result(StrictShape):
    """The envelope of every answer; `code` 10000 is success."""

    message: str
    code: int = Field(json_schema_extra={"format": "int32"})
    data: Any = None


_SHOWN: Any = {
    "id": 1,
    "name": "ci-pull",
    "type": "GCR",
    "createdAt": "2026-11-21T10:00:00Z",
}


class CredentialResult(Result):
    """One login."""

    model_config = example(message="success", code=SUCCESS, data=_SHOWN)

    data: Credential


class CredentialListResult(Result):
    """Every login, in the order in which they were made."""

    model_config = example(message="success", code=SUCCESS, data=[_SHOWN])

    data: list[Credential]


def shown(credential: RegistryCredential, families: Families) -> dict[str, Any]:
    """Return a `Credential`, made without it: a list has up to 10,000 of them."""
    family = families.family(credential.delivery)
    return {
        "id": credential.number,
        "name": credential.name,
        "type": _TYPES.get(family, "PRIVATE"),
        "createdAt": credential.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def succeeded(data: object) -> bytes:
    """Return the body of an answer that went well."""
    return envelope("success", SUCCESS, data)


# --- the older version


class NewCredentialV1(StrictShape):
    """A login to store."""

    model_config = example(name="ci-pull", username="robot", token="a-token")  # noqa: S106  example

    name: Name
    username: Username
    token: Password

    def draft(self) -> Draft:
        """Return what the use case takes. Raise InvalidInput."""
        return Draft(self.name, self.username, self.token)


class CredentialV1(StrictShape):
    """A stored login."""

    id: str
    name: str


class IdResultV1(Result):
    """The id of a new login."""

    model_config = example(message="success", code=SUCCESS, data="1")

    data: str


class CredentialResultV1(Result):
    """One login."""

    model_config = example(message="success", code=SUCCESS, data={"id": "1", "name": "ci-pull"})

    data: CredentialV1


class CredentialListResultV1(Result):
    """Every login."""

    model_config = example(message="success", code=SUCCESS, data=[{"id": "1", "name": "ci-pull"}])

    data: list[CredentialV1]


def shown_v1(credential: RegistryCredential) -> dict[str, Any]:
    """Return a `CredentialV1`, made without it: a list has up to 10,000 of them."""
    return {"id": str(credential.number), "name": credential.name}
