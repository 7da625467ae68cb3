"""API keys. The text of a key stands in exactly one answer: the one that made it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, PlainValidator, WithJsonSchema

from regcred.domain.access import ApiKey, Role
from regcred.usecases.manage_keys import CreatedKey, KeyDraft
from regcred.web.dialects.native.wire.common import (
    Instant,
    Page,
    Shape,
)
from regcred.web.errors import rule
from regcred.web.shapes import example, patch_example

REPLAYED = "This Idempotency-Key made the key before; its text was shown then and is kept nowhere."

KEY = {
    "id": "0a1B2c3D4e5F",
    "name": "cluster-1",
    "role": "puller",
    "operator": False,
    "project_id": "019a9c1e-0000-7000-8000-000000000001",
    "image_patterns": ["registry.example.com/team"],
    "expires_at": None,
    "disabled": False,
    "created_at": "2026-11-21T10:00:00Z",
    "last_used_at": None,
    "version": 1,
}


def _role(value: object) -> Role:
    try:
        return Role(str(value))
    except ValueError:
        raise rule(f"must be one of {', '.join(Role)}") from None


RoleName = Annotated[
    Role, PlainValidator(_role), WithJsonSchema({"type": "string", "enum": [str(r) for r in Role]})
]
_Patterns: list[str] = Field(
    default_factory=list,
    json_schema_extra={"maxItems": 64},
    description="Narrows the key to these images: host[:port][/path], a * per host label. "
    "Empty: all of the project's.",
)


class Key(Shape):
    """An API key without its text."""

    model_config = example(**KEY)

    id: str
    name: str
    role: Role
    operator: bool = Field(description="Whether it reaches every project.")
    project_id: UUID
    image_patterns: list[str]
    expires_at: datetime | None
    disabled: bool
    created_at: datetime
    last_used_at: datetime | None
    version: int = Field(description="The number in the ETag.")

    @classmethod
    def of(cls, key: ApiKey) -> Key:
        """Render a key."""
        return cls(
            id=key.id,
            name=key.name,
            role=key.role,
            operator=key.operator,
            project_id=key.project_id,
            image_patterns=[str(pattern) for pattern in key.image_patterns],
            expires_at=key.expires_at,
            disabled=key.disabled,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            version=key.version,
        )


class KeyPage(Page[Key]):
    """Keys of a project by id."""


class MadeKey(Key):
    """A new key with its text, shown this once."""

    model_config = example(**KEY, key="rgc_0a1B2c3D4e5F_…", note=None)

    key: str | None = Field(description="The key itself; null when the request was a repetition.")
    note: str | None = Field(description="Why `key` is null.")

    @classmethod
    def made(cls, created: CreatedKey) -> MadeKey:
        """Render a new key; its text leaves here and nowhere else."""
        shown = Key.of(created.key).model_dump()
        if created.text is None:
            return cls(**shown, key=None, note=REPLAYED)
        return cls(**shown, key=created.text.reveal(), note=None)


class NewKey(Shape):
    """A key to make."""

    model_config = example(
        name="cluster-1", role="puller", image_patterns=["registry.example.com/team"]
    )

    name: str = Field(json_schema_extra={"minLength": 1, "maxLength": 255})
    role: RoleName
    image_patterns: list[str] = _Patterns
    expires_at: Instant | None = None
    operator: bool = Field(default=False, description="Only an operator's admin key may set it.")

    def draft(self) -> KeyDraft:
        """Return what the use case takes."""
        return KeyDraft(
            self.name, self.role, tuple(self.image_patterns), self.expires_at, self.operator
        )


class KeyPatch(Shape):
    """What to change of a key (JSON merge patch)."""

    model_config = patch_example(disabled=True)

    name: str = Field(default="", json_schema_extra={"minLength": 1, "maxLength": 255})
    image_patterns: list[str] = _Patterns
    expires_at: Instant | None = Field(default=None, description="null: no expiry.")
    disabled: bool = False

    def changes(self) -> dict[str, object]:
        """Return what was given."""
        return {name: getattr(self, name) for name in self.model_fields_set}
