"""What stands in native paths: projects, credentials, keys, clusters, uses; and pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from regcred.web.dialects.native.wire.common import Listing
from regcred.web.references import HOME, nfc, project_ref
from regcred.web.routing import Call

_Row = TypeVar("_Row")


ProjectPath = Annotated[
    UUID | int | None,
    PlainValidator(project_ref),
    WithJsonSchema({"type": "string", "examples": [HOME, "1"]}),
    Path(description="The project's id or number, or `-` for the key's home."),
]
CredentialPath = Annotated[
    str,
    AfterValidator(nfc),
    Path(description="The credential's id or name, percent-encoded.", examples=["ci-pull"]),
]
KeyPath = Annotated[str, Path(description="The key's id.", examples=["0a1B2c3D4e5F"])]
WebhookPath = Annotated[
    str,
    Path(description="The webhook's id.", examples=["019a9c1e-0000-7000-8000-000000000009"]),
]
ClusterPath = Annotated[str, Path(description="The cluster's name.", examples=["prod-1"])]
WorkloadPath = Annotated[
    str,
    Path(description="The workload's id.", examples=["019a9c1e-0000-7000-8000-000000000010"]),
]
UseKindPath = Annotated[
    str, AfterValidator(nfc), Path(description="1-63 characters.", examples=["deployment"])
]
UseNamePath = Annotated[
    str, AfterValidator(nfc), Path(description="1-255 characters.", examples=["shop.web"])
]


class Position:
    """Where a list goes on, sealed to its project and itself."""

    def __init__(self, call: Call, ref: UUID | int | None, listing: str) -> None:
        self._cursors = call.services.cursors
        # Ids and numbers are both unique for ever, so either binds a cursor to one project.
        self._project = str(call.caller.project_id if ref is None else ref)
        self._listing = listing

    def text(self, cursor: str | None, start: str = "") -> str:
        """Return the position in `cursor`, or `start`. Raise InvalidInput."""
        if cursor is None:
            return start
        return self._cursors.open(self._project, self._listing, cursor)

    def number(self, cursor: str | None) -> int:
        """Return the position as a number, 0 at the start. Raise InvalidInput."""
        return int(self.text(cursor, "0"))

    def seal(self, position: str | int | None) -> str | None:
        """Return the cursor of the next page; None on the last page."""
        if position is None:
            return None
        return self._cursors.seal(self._project, self._listing, str(position))

    def cut(
        self, rows: Sequence[_Row], page: Listing, position_of: Callable[[_Row], str | int]
    ) -> tuple[Sequence[_Row], str | None]:
        """Return a page out of rows asked for with one more than its limit, and its cursor."""
        if len(rows) <= page.limit:
            return rows, None
        return rows[: page.limit], self.seal(position_of(rows[page.limit - 1]))
