"""A deployment's declared reference to a credential."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Use:
    """`kind` and `name` identify the user within the credential; an expired lease is no use."""

    kind: str
    name: str
    created_at: datetime
    expires_at: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Whether the lease ran out at `now`."""
        return self.expires_at is not None and self.expires_at <= now
