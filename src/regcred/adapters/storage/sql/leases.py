"""Leases: who may do now what only one is to do at a time, and the fence around their writes."""

from __future__ import annotations

from datetime import datetime

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.rows import micros
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.ports.leases import BELIEVED, Lease, LeaseLost

# A token never comes back, so whoever was given up on cannot write again.
_TAKE = """
    INSERT INTO leases (name, token, owner, until) VALUES (?, 1, ?, ?)
    ON CONFLICT (name) DO UPDATE SET
        token = leases.token + 1, owner = excluded.owner, until = excluded.until
    WHERE leases.until <= ? OR leases.owner = excluded.owner OR leases.until > ?
    RETURNING token
"""
_RENEW = "UPDATE leases SET until = ? WHERE name = ? AND token = ?"
_HELD = "UPDATE leases SET until = until WHERE name = ? AND token = ?"
_GIVE = "UPDATE leases SET until = 0, owner = '' WHERE name = ? AND token = ?"


class LeaseRows(Access):
    """The port `Leases`."""

    async def take_lease(
        self, name: str, owner: str, now: datetime, until: datetime
    ) -> Lease | None:
        """Take a lease, unless another has it; see the port."""
        begin, end, too_late = micros(now), micros(until), micros(now + BELIEVED)

        async def work(transaction: Transaction) -> Lease | None:
            row = await transaction.one(_TAKE, (name, owner, end, begin, too_late))
            return None if row is None else Lease(name, row[0])

        return await self._write(work)

    async def give_lease(self, lease: Lease) -> None:
        """Let a lease go, if it is still ours."""
        await self._write(lambda transaction: transaction.change(_GIVE, lease))


async def renew(transaction: Transaction, lease: Lease, until: datetime) -> None:
    """Hold the lease for longer. Raise LeaseLost, which undoes the whole write."""
    if not await transaction.change(_RENEW, (micros(until), *lease)):
        raise LeaseLost


async def held(transaction: Transaction, lease: Lease) -> None:
    """Pass if the lease is still ours, and keep it until the commit. Raise LeaseLost."""
    if not await transaction.change(_HELD, lease):
        raise LeaseLost
