"""Every sealed row with what it must open under, for whoever opens them or seals them anew."""

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
"""Project, owner and part of a row: the order in which rows of a kind are walked."""

BEGINNING: Position = ("", "", "")


class SealedRow(NamedTuple):
    """A sealed row with what it must open under, as far as that could be read."""

    kind: SealedKind
    project_id: str
    owner_id: str
    """Of the credential or the webhook whose secret it is."""

    part: str
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
        return self.project_id, self.owner_id, self.part


class SealedRowStore(Protocol):
    """The walk over them."""

    async def sealed_rows(
        self,
        kind: SealedKind,
        after: Position,
        limit: int,
        *,
        project_id: str | None = None,
        below: int | None = None,
    ) -> Sequence[SealedRow]:
        """Return rows of a kind behind a position, in order of position. Raise StoreUnavailable.

        `project_id` narrows to a project, `below` to seed generations below it.
        """
        ...
