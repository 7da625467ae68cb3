"""Projects, and who is asking."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from regcred.domain import project as domain
from regcred.domain.access import GRANTS, Caller, Permission, Role
from regcred.web.dialects.native.wire.common import Page, Shape
from regcred.web.dialects.native.wire.keys import KEY, Key
from regcred.web.shapes import example, patch_example

PROJECT = {
    "id": "019a9c1e-0000-7000-8000-000000000001",
    "number": 1,
    "name": "default",
    "require_if_match": False,
    "recheck_every": 86400,
    "created_at": "2026-11-21T10:00:00Z",
    "updated_at": "2026-11-21T10:00:00Z",
    "version": 1,
}


class Project(Shape):
    """A tenant: credentials and keys belong to exactly one."""

    model_config = example(**PROJECT)

    id: UUID
    number: int
    name: str
    require_if_match: bool = Field(
        description="Changes to credentials without If-Match are refused (428)."
    )
    recheck_every: int = Field(
        description="Seconds between two automatic checks of a login; 0: there are none."
    )
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the ETag.")

    @classmethod
    def of(cls, project: domain.Project) -> Project:
        """Render a project."""
        return cls(
            id=project.id,
            number=project.number,
            name=project.name,
            require_if_match=project.require_if_match,
            recheck_every=project.recheck_every,
            created_at=project.created_at,
            updated_at=project.updated_at,
            version=project.version,
        )


class ProjectPage(Page[Project]):
    """Projects by number: all for an operator's key, else the key's own."""


class NewProject(Shape):
    """A project to make."""

    model_config = example(name="shop")

    name: str = Field(json_schema_extra={"minLength": 1, "maxLength": 255})


class ProjectPatch(Shape):
    """What to change of a project (JSON merge patch; nothing here can be null)."""

    model_config = patch_example(require_if_match=True, recheck_every=3600)

    name: str = Field(default="", json_schema_extra={"minLength": 1, "maxLength": 255})
    require_if_match: bool = False
    recheck_every: int = Field(
        default=0,
        description="Seconds: 0 (never), or 900 to 2592000.",
        json_schema_extra={"minimum": 0, "maximum": 2592000},
    )


class WhoAmI(Shape):
    """The key that was sent, its home, and what it may do."""

    model_config = example(
        principal="key:0a1B2c3D4e5F",
        key=KEY,
        project=PROJECT,
        role="admin",
        operator=True,
        permissions=["administer", "read", "reveal", "verify", "write"],
    )

    principal: str
    key: Key
    project: Project = Field(description="The key's home: what `-` means in a path.")
    role: Role
    operator: bool = Field(description="Whether the key reaches every project.")
    permissions: list[Permission]

    @classmethod
    def of(cls, caller: Caller, key: Key, project: Project) -> WhoAmI:
        """Render a caller."""
        return cls(
            principal=str(caller.principal),
            key=key,
            project=project,
            role=caller.role,
            operator=caller.operator,
            permissions=sorted(GRANTS[caller.role]),
        )
