"""What a project's people should hear of: a login going bad, or about to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from regcred.domain.verdict import EvidenceValue


class EventKind(StrEnum):
    """Every kind of event."""

    VERDICT_CHANGED = "verdict.changed"
    """A check says something else of a login than the one before."""

    LOGIN_WITHHELD = "login.withheld"
    """A login was turned away twice: pullers do not get it any more."""

    EXPIRY_NEAR = "expiry.near"
    """A login ends in 30, 14, 7 or 1 days; or it has ended."""

    ALLOWANCE_LOW = "allowance.low"
    """The registry lets this login pull only a few more times for now."""

    EXCHANGE_FAILED = "exchange.failed"
    """No short-lived login could be got for a stored one."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to hear of. `number` grows in commit order (0: not stored yet)."""

    project_id: UUID
    at: datetime
    kind: EventKind
    credential_id: UUID
    credential_name: str
    details: Mapping[str, EvidenceValue] = field(default_factory=dict)
    """Words, counts and times; never a secret."""

    number: int = 0
