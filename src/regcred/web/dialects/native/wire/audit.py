"""What happened in a project."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from regcred.domain.audit import Action, AuditRow
from regcred.domain.ports import AuditFilter
from regcred.web.dialects.native.wire.common import (
    FilterText,
    Instant,
    Listing,
    Page,
    Shape,
)
from regcred.web.shapes import example

DetailValue = str | int | bool | None | list[str]


class AuditEntry(Shape):
    """One event. Reveals alike within one commit are one row with a count."""

    model_config = example(
        number=42,
        at="2026-11-21T10:00:00Z",
        action="credential.revealed",
        principal="key:0a1B2c3D4e5F",
        target="019a9c1e-0000-7000-8000-0000000000c1",
        secret_version=1,
        request_id="019a9c1e000070008000000000000001",
        last_request_id="019a9c1e000070008000000000000009",
        count=9,
        peer="192.0.2.7",
        details={"image": "registry.example.com/team/app", "client": "kubelet"},
    )

    number: int
    at: datetime
    action: Action
    principal: str
    target: str = Field(description="The id of what it happened to.")
    secret_version: int | None
    request_id: str
    last_request_id: str
    count: int
    peer: str
    details: dict[str, DetailValue]

    @classmethod
    def of(cls, row: AuditRow) -> AuditEntry:
        """Render an audit row."""
        event = row.event
        return cls(
            number=row.number,
            at=event.at,
            action=event.action,
            principal=event.principal,
            target=event.target,
            secret_version=event.secret_version,
            request_id=event.request_id,
            last_request_id=row.last_request_id,
            count=row.count,
            peer=event.peer,
            details={
                name: list(value) if isinstance(value, tuple) else value
                for name, value in event.details.items()
            },
        )


class AuditPage(Page[AuditEntry]):
    """Audit rows, newest first."""


class AuditListing(Listing):
    """What a list of audit rows is narrowed to; all of it must hold."""

    action: Action | None = None
    principal: FilterText | None = None
    target: FilterText | None = None
    since: Instant | None = None
    until: Instant | None = None

    def narrowed(self) -> AuditFilter:
        """Return what the use case takes."""
        return AuditFilter(self.action, self.principal, self.target, self.since, self.until)
