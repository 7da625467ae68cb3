"""The tenant. One level: projects do not nest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from regcred.domain.errors import InvalidInput

RECHECK_EVERY = 86_400
"""Seconds: a day, if nobody says otherwise."""

_SHORTEST, _LONGEST = 900, 2_592_000


@dataclass(frozen=True, slots=True)
class Project:
    """`number` counts from 1 and never returns; `version` is moved by people's writes."""

    id: UUID
    number: int
    name: str
    created_at: datetime
    updated_at: datetime
    version: int = 1
    require_if_match: bool = False
    """Changes to this project's credentials without If-Match are refused (428)."""

    recheck_every: int = RECHECK_EVERY
    """Seconds between two automatic checks of a login; 0: there are none."""


def recheck_every(seconds: int) -> int:
    """Return an interval between automatic checks, in seconds. Raise InvalidInput."""
    if seconds and not _SHORTEST <= seconds <= _LONGEST:
        raise InvalidInput(
            "recheck_every", f"must be 0 (never), or from {_SHORTEST} to {_LONGEST} seconds"
        )
    return seconds
