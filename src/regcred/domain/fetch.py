"""Who fetches a login, and when they last did.

The one thing you would get wrong: these rows answer "who has it?", coarsely and within bounds.
The audit is the complete record, with every request in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

COARSE = timedelta(minutes=1)
"""For how long a fetch is not recorded again: who was last seen at a time may have come again
until so much later."""

KEPT = 1000
"""Fetches of one credential that stay for certain, those with the newest last time.

What is older goes now and then, so that a fetch costs no look at all the others; but of each
principal the newest stays, within MOST: a puller that makes up nodes pushes nobody else out.
"""

MOST = 2 * KEPT
"""Fetches of one credential that are left when the store has looked, whoever they are of."""


class FetchPosition(NamedTuple):
    """Where a list of fetches stands: newest first, and of one time the later row first."""

    last_at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """One way in which a login goes out: the same asker, for the same image, to the same place."""

    principal: str
    client: str
    image: str
    """Without tag and digest; the registry alone where the client named that, and "" where the
    login was handed out for no image in particular."""

    node: str
    namespace: str
    """As the client said, "" if it did not."""

    first_at: datetime
    """Since the row is kept: one that was dropped begins anew."""

    last_at: datetime
    number: int

    @property
    def position(self) -> FetchPosition:
        """Return where it stands in the list."""
        return FetchPosition(self.last_at, self.number)
