"""Who fetched a login."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from regcred.domain import fetch as domain
from regcred.web.dialects.native.wire.common import Instant, Listing, Page, Shape
from regcred.web.shapes import example


class Fetch(Shape):
    """One way in which a login went out. Its times are exact to the minute."""

    model_config = example(
        client="docker",
        image="registry.example.com/team/app",
        node="node-7",
        namespace="",
        principal="key:0a1B2c3D4e5F",
        first_at="2026-11-21T10:00:00Z",
        last_at="2026-11-28T09:30:00Z",
    )

    client: str
    image: str = Field(description="Without tag; the registry alone if no image was named.")
    node: str = Field(description="As the client said, empty if it did not.")
    namespace: str = Field(description="As the client said, empty if it did not.")
    principal: str = Field(description="Who asked.")
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, fetch: domain.Fetch) -> Fetch:
        """Render a fetch."""
        return cls(
            client=fetch.client,
            image=fetch.image,
            node=fetch.node,
            namespace=fetch.namespace,
            principal=fetch.principal,
            first_at=fetch.first_at,
            last_at=fetch.last_at,
        )


class FetchPage(Page[Fetch]):
    """Who fetched a login, newest first. The newest 1,000 are kept; the audit keeps all."""

    complete: bool = Field(
        description="Whether nobody is missing who fetched it since the time asked about."
    )
    complete_since: datetime | None = Field(
        description="From when on nobody is missing; null: from the login's beginning."
    )


class FetchListing(Listing):
    """What a list of fetches is narrowed to."""

    since: Instant | None = Field(
        default=None, description="Who got the login then or later: whom a leak concerns."
    )
