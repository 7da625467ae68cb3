"""Deployments that refer to a credential."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from regcred.domain import use as domain
from regcred.usecases.manage_uses import MAX_LEASE
from regcred.web.dialects.native.wire.common import Shape
from regcred.web.shapes import example


class Use(Shape):
    """A declared reference to a credential. While it stands the credential is not deleted."""

    model_config = example(
        kind="deployment",
        name="shop.web",
        created_at="2026-11-21T10:00:00Z",
        expires_at="2026-11-21T11:00:00Z",
    )

    kind: str
    name: str
    created_at: datetime
    expires_at: datetime | None = Field(description="When the lease ends; null without a lease.")

    @classmethod
    def of(cls, use: domain.Use) -> Use:
        """Render a use."""
        return cls(
            kind=use.kind, name=use.name, created_at=use.created_at, expires_at=use.expires_at
        )


class UseList(Shape):
    """Every live use of a credential."""

    items: list[Use]
    next_cursor: None = Field(default=None, description="Always null: uses come on one page.")


class PutUse(Shape):
    """How to declare a use."""

    model_config = example(lease_seconds=3600)

    lease_seconds: int | None = Field(
        default=None,
        json_schema_extra={"minimum": 1, "maximum": MAX_LEASE},
        description="After that many seconds it is no use any more, unless put again.",
    )
