"""Registry credentials: written with a password, shown without."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from regcred.domain.credential import Draft, RegistryCredential, texts
from regcred.domain.ports import CredentialFilter
from regcred.domain.registry import RegistryAddress
from regcred.domain.verdict import VerdictKind
from regcred.usecases.change_credential import Change
from regcred.web.dialects.native.wire.common import (
    FilterText,
    Instant,
    Listing,
    Page,
    Password,
    Shape,
    address_text,
)
from regcred.web.shapes import example, patch_example

_WRITTEN = {
    "name": "ci-pull",
    "registry_url": "https://registry.example.com/team",
    "provider": "generic",
    "username": "robot",
    "settings": {},
    "labels": {"team": "shop"},
    "description": "Pulls the shop's images.",
    "expires_at": None,
}

Name = Annotated[
    str,
    Field(
        json_schema_extra={"minLength": 1, "maxLength": 255},
        description="Unique in the project: printable, no slash or backslash, no surrounding "
        "spaces, not ending in a colon and a word.",
    ),
]
Username = Annotated[
    str,
    Field(
        json_schema_extra={"minLength": 1, "maxLength": 1024},
        description="Printable, without a colon (RFC 7617).",
    ),
]
RegistryUrl = Annotated[
    str | None,
    Field(
        json_schema_extra={"minLength": 1, "maxLength": 2048},
        description="[https://]host[:port][/path], a * per host label. It says which images the "
        "login is for; without it the login is used only by explicit name.",
    ),
]
Provider = Annotated[str, Field(description="The kind of registry, such as generic.")]
Settings = Annotated[
    dict[str, str], Field(description="The provider's own settings, such as `realm`.")
]
Labels = Annotated[
    dict[str, str],
    Field(
        json_schema_extra={"maxProperties": 64},
        description="Keys as Kubernetes has them; values up to 255 characters.",
    ),
]
Description = Annotated[str, Field(json_schema_extra={"maxLength": 1024})]


class NewCredential(Shape):
    """A login to store, or to put in the place of another."""

    model_config = example(**_WRITTEN, password="a-token-with-pull-rights")  # noqa: S106  example

    name: Name
    registry_url: RegistryUrl = None
    provider: Provider = "generic"
    username: Username
    password: Password
    settings: Settings = Field(default_factory=dict)
    labels: Labels = Field(default_factory=dict)
    description: Description = ""
    expires_at: Instant | None = None

    def draft(self) -> Draft:
        """Return what the use case takes. Raise InvalidInput."""
        return Draft(
            name=self.name,
            username=self.username,
            password=self.password,
            registry_url=address_text(self.registry_url),
            provider=self.provider,
            settings=self.settings,
            description=self.description,
            labels=self.labels,
            expires_at=self.expires_at,
        )


class CredentialPatch(Shape):
    """What to change of a credential (JSON merge patch, RFC 7396).

    null removes: the registry, the description, the expiry, all or one of settings and labels.
    """

    model_config = patch_example(labels={"team": None, "owner": "platform"}, description=None)

    name: Name = ""
    registry_url: RegistryUrl = None
    provider: Provider = ""
    username: Username = ""
    # Its default is never read: `given` says whether there is one. null is no password.
    password: Password = Field(
        default=None,  # type: ignore[assignment]  # see above
        description="Left away: the old one stays.",
    )
    settings: dict[str, str | None] | None = None
    labels: dict[str, str | None] | None = None
    description: str | None = Field(default=None, json_schema_extra={"maxLength": 1024})
    expires_at: Instant | None = None

    def change(self) -> Change:
        """Return what the use case takes."""
        return Change(
            frozenset(self.model_fields_set),
            name=self.name,
            username=self.username,
            password=self.password,
            registry_url=address_text(self.registry_url),
            provider=self.provider,
            settings=self.settings,
            description=self.description or "",
            labels=self.labels,
            expires_at=self.expires_at,
        )


class LastVerdict(Shape):
    """The newest verdict about the present secret."""

    verdict: VerdictKind
    checked_at: datetime


class Credential(Shape):
    """A stored login without its secret."""

    model_config = example(
        id="019a9c1e-0000-7000-8000-0000000000c1",
        number=1,
        project_id="019a9c1e-0000-7000-8000-000000000001",
        **_WRITTEN,
        scopes=["registry.example.com/team"],
        created_at="2026-11-21T10:00:00Z",
        updated_at="2026-11-21T10:00:00Z",
        version=1,
        verdict={"verdict": "ok", "checked_at": "2026-11-21T10:00:01Z"},
        withheld=False,
        last_used_at=None,
        last_used_by=None,
    )

    id: UUID
    number: int = Field(description="Counted within the project.")
    project_id: UUID
    name: str
    provider: str
    registry_url: str | None
    scopes: list[str] = Field(description="Which images the login is for.")
    username: str
    settings: dict[str, str]
    labels: dict[str, str]
    description: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the ETag; moved by people's writes alone.")
    verdict: LastVerdict | None
    withheld: bool = Field(
        description="Refused twice by its registry, so kept back from pullers until verified."
    )
    last_used_at: datetime | None
    last_used_by: str | None


def shown(credential: RegistryCredential) -> dict[str, Any]:
    """Return a credential as `Credential` documents it, for orjson."""
    standing = credential.standing
    verdict = None
    if standing.last is not None and standing.last_at is not None:
        verdict = {"verdict": standing.last, "checked_at": standing.last_at}
    return {
        "id": credential.id,
        "number": credential.number,
        "project_id": credential.project_id,
        "name": credential.name,
        "provider": credential.provider,
        "registry_url": credential.registry_url,
        "scopes": texts(credential.scopes),
        "username": credential.username,
        "settings": dict(credential.settings),
        "labels": dict(credential.labels),
        "description": credential.description,
        "expires_at": credential.expires_at,
        "created_at": credential.created_at,
        "updated_at": credential.updated_at,
        "version": credential.version,
        "verdict": verdict,
        "withheld": standing.withheld,
        "last_used_at": credential.last_used_at,
        "last_used_by": credential.last_used_by,
    }


class CredentialPage(Page[Credential]):
    """Credentials of a project by number."""


class CredentialListing(Listing):
    """What a list of credentials is narrowed to; all of it must hold."""

    name: FilterText | None = Field(default=None, description="Exactly this name.")
    provider: FilterText | None = None
    registry: FilterText | None = Field(default=None, description="host[:port] of a scope.")
    username: FilterText | None = None
    label: FilterText | None = Field(default=None, description="`key`, or `key=value`.")
    verdict: VerdictKind | None = None
    expiring_before: Instant | None = None
    unused_since: Instant | None = Field(
        default=None, description="Not handed out at or after this time."
    )

    def narrowed(self) -> CredentialFilter:
        """Return what the use case takes. Raise InvalidInput."""
        label: tuple[str, str | None] | None = None
        if self.label is not None:
            key, equals, value = self.label.partition("=")
            label = (key, value if equals else None)
        return CredentialFilter(
            name=self.name,
            provider=self.provider,
            registry=None if self.registry is None else RegistryAddress.parse(self.registry),
            username=self.username,
            label=label,
            verdict=self.verdict,
            expiring_before=self.expiring_before,
            unused_since=self.unused_since,
        )
