"""Every sealed row, for whoever opens all of them to see that they still open."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from regcred.domain.credential import Delivery
from regcred.domain.ports.sealing import WrappedSeed


class SealedKind(StrEnum):
    """What is sealed."""

    PASSWORD = "password"  # noqa: S105  a kind of row, not a password
    LOGIN = "login"
    WEBHOOK = "webhook"


Position = tuple[str, str, str]
"""Project, owner and place of a row: the order in which rows of a kind are walked."""

BEGINNING: Position = ("", "", "")


class RowToOpen(NamedTuple):
    """A sealed row with what it must open under, as far as that could be read."""

    project_id: str
    id: str
    """Of the credential or the webhook whose secret it is."""

    place: str
    """Where a login was exchanged for; the state of a password; "" for a webhook."""

    secret_version: int
    seed: WrappedSeed | None
    """None: the store has no such seed."""

    delivery: Delivery | None
    """None: what it is bound to is missing, or is not what this program writes."""

    sealed: bytes

    @property
    def position(self) -> Position:
        """Return where the walk goes on after it."""
        return self.project_id, self.id, self.place


class ScrubStore(Protocol):
    """What scrubbing reads."""

    async def rows_to_open(
        self, kind: SealedKind, after: Position, limit: int
    ) -> Sequence[RowToOpen]:
        """Return rows of a kind, of every project, in order of position. Raise StoreUnavailable."""
        ...
