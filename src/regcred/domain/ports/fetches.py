"""Who fetched which login: what the store remembers of it, besides the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from regcred.domain.fetch import Fetch, FetchPosition


class FetchStore(Protocol):
    """Fetches are written by `record_reveal` and `record_use`, and go with their credential."""

    async def list_fetches(
        self,
        project_id: UUID,
        credential_id: UUID,
        after: datetime | None,
        before: FetchPosition | None,
        limit: int,
    ) -> Sequence[Fetch]:
        """Return fetches, newest first, from below `before` on (None: from the newest).

        `after` leaves out what was last seen then or earlier. One that comes again while somebody
        turns the pages moves to the first of them.
        """
        ...

    async def fetches_lost_at(self, project_id: UUID, credential_id: UUID) -> datetime | None:
        """Return the newest last time of what is not kept, None if nothing is missing.

        Missing is what the bound dropped, and what came before fetches were recorded. Raise
        CredentialNotFound.
        """
        ...
