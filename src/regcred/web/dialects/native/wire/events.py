"""What a project's people should hear of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from regcred.domain import event as domain
from regcred.domain.event import EventKind
from regcred.web.dialects.native.wire.common import FilterText, Listing, Page, Shape
from regcred.web.shapes import example

DetailValue = str | int | float | bool | None | list[str]

_CREDENTIAL = {"id": "019a9c1e-0000-7000-8000-0000000000c1", "name": "ci-pull"}
_DETAILS = {
    "from": "ok",
    "to": "rejected",
    "image": "registry.example.com/team/app",
    "withheld": False,
    "next_step": (
        "Wrong username or secret: create a new token at the registry and replace the password."
    ),
}


class EventCredential(Shape):
    """The login that an event is about, under its name of then. It may be gone."""

    model_config = example(**_CREDENTIAL)

    id: UUID
    name: str


class Event(Shape):
    """One thing to hear of. It never holds a secret."""

    model_config = example(
        number=42,
        at="2026-11-21T10:00:00Z",
        kind="verdict.changed",
        credential=_CREDENTIAL,
        details=_DETAILS,
    )

    number: int = Field(description="Grows in the order of the events.")
    at: datetime
    kind: EventKind
    credential: EventCredential
    details: dict[str, DetailValue] = Field(
        description="What there is to know, by kind; `next_step` says what a person should do."
    )

    @classmethod
    def of(cls, event: domain.Event) -> Event:
        """Render an event."""
        return cls(
            number=event.number,
            at=event.at,
            kind=event.kind,
            credential=EventCredential(id=event.credential_id, name=event.credential_name),
            details={
                name: list(value) if isinstance(value, tuple) else value
                for name, value in event.details.items()
            },
        )


class EventPage(Page[Event]):
    """Events, newest first."""


class EventListing(Listing):
    """What a list of events is narrowed to; all of it must hold."""

    kind: EventKind | None = None
    credential: FilterText | None = Field(
        default=None, description="A credential's name or id; the id of one that is gone, too."
    )
