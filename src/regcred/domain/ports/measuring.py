"""What is counted of the work. No label ever holds a tenant's own word, or a secret."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from regcred.domain.event import Event
from regcred.domain.tally import Tally
from regcred.domain.verdict import VerdictKind

OTHER = "other"
"""The label of what is not in a label's fixed list."""


class Trigger(StrEnum):
    """Who wanted a check."""

    PERSON = "person"
    AUTOMATIC = "automatic"


class StoreFigures(NamedTuple):
    """What a store says of its own work since it was opened."""

    commit_seconds: Tally
    commit_writes: Tally
    """Writes that one commit held."""

    waiting: int
    """Writes that wait for a commit now."""

    wal_bytes: int | None
    """Size of the write-ahead log; None: this store keeps none of its own."""


class KeyServiceFigures(NamedTuple):
    """What a key ring says of the service that it asks, since it was opened."""

    seconds: Tally
    """How long the service was asked, however that ended."""

    refused: int
    """Calls that it answered with a refusal: what it was given does not open."""

    failed: int
    """Calls that it did not answer in time, or as nobody should."""

    left_alone: bool
    """Whether it failed so often that it is not asked for a while."""


class Meter(Protocol):
    """Counts and times, for whoever watches the service."""

    def answered(self, face: str, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the pattern that its path matched, or "-"."""
        ...

    def resolved(self, handed_out: int, withheld: Sequence[str]) -> None:
        """Count a question for logins: how many it got, and the verdicts of those kept back."""
        ...

    def verified(
        self, provider: str, verdict: VerdictKind, trigger: Trigger, seconds: float
    ) -> None:
        """Count a check of a login; `provider` is the slug of a family that is known here."""
        ...

    def exchanged(self, provider: str, failure: VerdictKind | None) -> None:
        """Count an exchange of a stored secret; `failure` is None where it gave a login."""
        ...

    def told(self, events: Iterable[Event]) -> None:
        """Count events that were stored."""
        ...

    def scrubbed(self, opened: int, broken: int) -> None:
        """Count sealed rows that were opened to see whether they do, and those that did not."""
        ...

    def scrub_failures(self, broken: int) -> None:
        """Tell how many sealed rows are known not to open now."""
        ...


class Unmeasured:
    """Counts nothing: for programs that nobody watches."""

    def answered(self, face: str, route: str, method: str, status: int, seconds: float) -> None:
        """Do nothing."""

    def resolved(self, handed_out: int, withheld: Sequence[str]) -> None:
        """Do nothing."""

    def verified(
        self, provider: str, verdict: VerdictKind, trigger: Trigger, seconds: float
    ) -> None:
        """Do nothing."""

    def exchanged(self, provider: str, failure: VerdictKind | None) -> None:
        """Do nothing."""

    def told(self, events: Iterable[Event]) -> None:
        """Do nothing."""

    def scrubbed(self, opened: int, broken: int) -> None:
        """Do nothing."""

    def scrub_failures(self, broken: int) -> None:
        """Do nothing."""


UNMEASURED = Unmeasured()
