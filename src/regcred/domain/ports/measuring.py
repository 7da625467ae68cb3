"""What is counted of the work. No label ever holds a tenant's own word, or a secret."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from regcred.domain.event import Event
from regcred.domain.verdict import VerdictKind


class Trigger(StrEnum):
    """Who wanted a check."""

    PERSON = "person"
    AUTOMATIC = "automatic"


class Meter(Protocol):
    """Counts and times, for whoever watches the service."""

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


class Unmeasured:
    """Counts nothing: for programs that nobody watches."""

    def verified(
        self, provider: str, verdict: VerdictKind, trigger: Trigger, seconds: float
    ) -> None:
        """Do nothing."""

    def exchanged(self, provider: str, failure: VerdictKind | None) -> None:
        """Do nothing."""

    def told(self, events: Iterable[Event]) -> None:
        """Do nothing."""


UNMEASURED = Unmeasured()
