"""Who fetched a login: a row for each way in which it goes out, moved at most once a minute.

Written with the reveals' audit rows, by two statements for each credential of a batch that was
fetched in a way not seen within the minute, and by none for any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import orjson

from regcred.adapters.storage.sqlite.recent import REMEMBERED, Recent
from regcred.adapters.storage.sqlite.rows import Row, micros
from regcred.adapters.storage.sqlite.transaction import Transaction
from regcred.domain.audit import Reveal
from regcred.domain.fetch import KEPT

# Nothing for a credential that was deleted since it was read.
_MOVE = """
    INSERT INTO fetches (
        project_id, credential_id, principal, client, image, node, namespace, first_at, last_at
    )
    SELECT ?1, ?2, way.value ->> 0, way.value ->> 1, way.value ->> 2, way.value ->> 3,
        way.value ->> 4, way.value ->> 5, way.value ->> 5
    FROM json_each(?3) way
    WHERE EXISTS (SELECT 1 FROM credentials WHERE project_id = ?1 AND id = ?2)
    ON CONFLICT (project_id, credential_id, principal, client, image, node, namespace)
    DO UPDATE SET last_at = excluded.last_at WHERE last_at < excluded.last_at
"""
# A walk over what is kept, in an index that is small; a count would cost each new row a write.
_EXCESS = f"""
    SELECT last_at, number FROM fetches WHERE project_id = ?1 AND credential_id = ?2
    ORDER BY last_at DESC, number DESC LIMIT 1 OFFSET {KEPT}
"""  # noqa: S608  constants alone
_FORGET = """
    DELETE FROM fetches
    WHERE project_id = ?1 AND credential_id = ?2 AND (last_at, number) <= (?3, ?4)
"""
_LOST = """
    UPDATE credentials SET fetches_lost_at = max(coalesce(fetches_lost_at, ?3), ?3)
    WHERE project_id = ?1 AND id = ?2
"""


class FetchLog:
    """Writes fetches, and remembers which are fresh. Belongs to the writer's thread."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._recent = Recent(remembered)

    def write(self, transaction: Transaction, reveals: Iterable[Reveal]) -> None:
        """Move what the reveals tell of, then drop what is too much."""
        moved: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for r in reveals:
            way, now = (r.principal, r.client, r.image, r.node, r.namespace), micros(r.at)
            if self._recent.stale((r.logins, way), now):
                for credential_id, _ in r.logins:
                    moved[r.project_id, credential_id].append((*way, now))
        for place, ways in moved.items():
            if transaction.change(_MOVE, (*place, orjson.dumps(ways).decode())):
                _keep_newest(transaction, place)

    def forget(self) -> None:
        """Forget what was moved: the transaction that moved it is gone."""
        self._recent.forget()


def _keep_newest(transaction: Transaction, place: tuple[str, str]) -> None:
    newest_lost = transaction.one(_EXCESS, place)
    if newest_lost is not None:
        transaction.change(_FORGET, (*place, *newest_lost))
        transaction.change(_LOST, (*place, newest_lost[0]))
