"""Wrong API keys by where they came from: one statement counts, whoever else does."""

from __future__ import annotations

from datetime import datetime

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import instant, micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.ports import Count, WrongKeys

_COUNT = """
    INSERT INTO wrong_keys (peer, key_id, ends_at, seen) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT (peer, key_id) DO UPDATE SET
        seen = CASE WHEN wrong_keys.ends_at <= ?4 THEN 1 ELSE wrong_keys.seen + 1 END,
        ends_at = CASE
            WHEN wrong_keys.ends_at <= ?4 THEN excluded.ends_at ELSE wrong_keys.ends_at
        END
    RETURNING seen, ends_at
"""
# More than one write adds, so that no more stays than came within a window.
_SWEEP = """
    DELETE FROM wrong_keys WHERE (peer, key_id) IN (
        SELECT peer, key_id FROM wrong_keys WHERE ends_at <= ? ORDER BY ends_at LIMIT 16
    )
"""
_ALL = ""
"""In the place of a key's id: whatever came from the address."""


class WrongKeyCounts(Access):
    """The port's method on wrong keys."""

    async def count_wrong_key(
        self, peer: str, key_id: str, now: datetime, ends: datetime
    ) -> WrongKeys:
        """Count one more; see the port."""

        async def work(transaction: Transaction) -> WrongKeys:
            await transaction.change(_SWEEP, (micros(now),))
            # In one order everywhere: two transactions never wait for each other's rows.
            of_peer = await _count(transaction, (peer, _ALL, micros(ends), micros(now)))
            of_key = await _count(transaction, (peer, key_id, micros(ends), micros(now)))
            return WrongKeys(of_key, of_peer)

        return await self._write_rows(work)


async def _count(transaction: Transaction, parameters: tuple[object, ...]) -> Count:
    ((seen, ends_at),) = await transaction.all(_COUNT, parameters)
    return Count(seen, instant(ends_at))
