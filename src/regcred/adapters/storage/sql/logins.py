"""Logins that stored secrets were exchanged for, and who is exchanging.

The one thing you would get wrong: a claim must hold across processes. It is a row that one
conditional statement writes, so of any number of workers on one file exactly one gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.events import put_event
from regcred.adapters.storage.sql.rows import (
    Row,
    as_written,
    instant_or_none,
    micros,
    micros_or_none,
)
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.audit import AuditEvent
from regcred.domain.event import Event
from regcred.domain.fresh_login import wanted_of
from regcred.domain.ports import KeptLogin, LoginPlace, SealedLogin, WrappedSeed
from regcred.domain.verdict import DEAD, Verdict, VerdictKind

MAX_PLACES = 32
"""Of one credential: whoever may pull names the region, and names cost nothing."""

_FIND = """
    SELECT l.secret_version, g.kid, g.generation, g.wrapped, l.sealed, l.refresh_at, l.failures,
        l.failure, l.failure_note, l.claimed_until, l.expires_at
    FROM credential_logins l
    LEFT JOIN project_seeds g
        ON g.project_id = l.project_id AND g.generation = l.seed_generation
    WHERE l.project_id = ? AND l.credential_id = ? AND l.place = ?
"""
# A row is made only for the present secret, and only while there is room for one more.
_ROOM = f"""
    SELECT ?1, ?2, ?3, CAST(?4 AS BIGINT) WHERE EXISTS (
        SELECT 1 FROM credentials WHERE project_id = ?1 AND id = ?2 AND secret_version = ?4
    ) AND (
        SELECT count(*) FROM credential_logins
        WHERE project_id = ?1 AND credential_id = ?2 AND place <> ?3
    ) < {MAX_PLACES}
"""  # noqa: S608  a constant number
_PLAN = f"""
    INSERT INTO credential_logins (project_id, credential_id, place, secret_version, refresh_at)
    SELECT one.*, ?5 FROM ({_ROOM}) AS one WHERE true
    ON CONFLICT (project_id, credential_id, place) DO UPDATE SET
        refresh_at = coalesce(
            credential_logins.refresh_at,
            iif(credential_logins.failure IS NULL, excluded.refresh_at, NULL)
        )
"""  # noqa: S608  constants alone
# Places that never gave a login make room once their time has come again: names of regions that do
# not exist cost nothing, and must not be forgotten before.
_MAKE_ROOM = f"""
    DELETE FROM credential_logins
    WHERE project_id = ?1 AND credential_id = ?2 AND place <> ?3
    AND sealed IS NULL AND failure IS NOT NULL AND refresh_at <= ?4
    AND (claimed_until IS NULL OR claimed_until <= ?4) AND (
        SELECT count(*) FROM credential_logins WHERE project_id = ?1 AND credential_id = ?2
    ) >= {MAX_PLACES}
"""  # noqa: S608  a constant number
# Two steps over two indexes: what no pull can use yet goes first, and never takes all.
_DUE = "SELECT 1 FROM credential_logins WHERE refresh_at <= ? LIMIT 1"
_CLAIM_DUE = """
    UPDATE credential_logins SET claim = ?1, claimed_until = ?2
    WHERE (project_id, credential_id, place) IN (
        SELECT project_id, credential_id, place FROM credential_logins
        WHERE refresh_at <= ?3 AND (claimed_until IS NULL OR claimed_until <= ?3) AND {which}
        ORDER BY refresh_at LIMIT ?4
    )
    RETURNING project_id, credential_id, place
"""
_CLAIM_WANTED = _CLAIM_DUE.format(which="sealed IS NULL")
_CLAIM_ANY = _CLAIM_DUE.format(which="true")
_KEEP = """
    UPDATE credential_logins SET
        seed_generation = ?, sealed = ?, expires_at = ?, refresh_at = ?,
        claim = NULL, claimed_until = NULL, failures = 0, failure = NULL, failure_note = NULL
    WHERE project_id = ? AND credential_id = ? AND place = ? AND claim = ? AND secret_version = ?
"""
_DEAD = ", ".join(f"'{kind}'" for kind in sorted(DEAD))
# Before it is kept: only the cloud's own refusals end with it, not those of the registry.
_WORKS = f"""
    UPDATE credentials SET dead_since = NULL, dead_last = NULL
    WHERE project_id = ?1 AND id = ?2 AND dead_since IS NOT NULL AND EXISTS (
        SELECT 1 FROM credential_logins
        WHERE project_id = ?1 AND credential_id = ?2 AND place = ?3 AND claim = ?4
        AND secret_version = ?5 AND failure IN ({_DEAD})
    )
"""  # noqa: S608  constants alone
_PUT_OFF = """
    UPDATE credential_logins SET refresh_at = ?, claim = NULL, claimed_until = NULL
    WHERE project_id = ? AND credential_id = ? AND place = ? AND claim = ?
"""
_WAKE = """
    UPDATE credential_logins SET
        refresh_at = ?, failures = 0, failure = NULL, failure_note = NULL
    WHERE project_id = ? AND credential_id = ? AND (failure IS NOT NULL OR refresh_at IS NULL)
"""
_FAIL = """
    UPDATE credential_logins SET
        refresh_at = ?, claim = NULL, claimed_until = NULL,
        failures = failures + 1, failure = ?, failure_note = ?
    WHERE project_id = ? AND credential_id = ? AND place = ? AND claim = ?
"""
_FORGET = "DELETE FROM credential_logins WHERE project_id = ? AND credential_id = ?"


class Logins(Access):
    """The port's methods on exchanged logins."""

    async def find_login(self, place: LoginPlace) -> KeptLogin | None:
        """Return what is kept of a place, if anything."""
        row = await self._one(_FIND, place, of=UUID(place.project_id))
        return None if row is None else _kept(row)

    async def plan_login(self, place: LoginPlace, secret_version: int, at: datetime) -> bool:
        """Have a place exchanged at `at`; see the port."""
        row = (*place, secret_version, micros(at))

        async def work(transaction: Transaction) -> bool:
            await transaction.change(_MAKE_ROOM, (*place, micros(at)))
            return bool(await transaction.change(_PLAN, row))

        return await self._write(work, of=UUID(place.project_id))

    async def claim_due_logins(
        self, claim: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[LoginPlace]:
        """Claim up to `limit` places that are due; see the port."""
        if await self._one(_DUE, (micros(now),)) is None:
            return ()  # an idle service writes nothing

        async def work(transaction: Transaction) -> list[LoginPlace]:
            claimed: list[LoginPlace] = []
            for statement, most in ((_CLAIM_WANTED, wanted_of(limit)), (_CLAIM_ANY, limit)):
                left = most - len(claimed)
                rows = await transaction.all(statement, (claim, micros(until), micros(now), left))
                claimed += [LoginPlace(*row) for row in rows]
            return claimed

        return await self._write(work)

    async def put_off_login(self, place: LoginPlace, claim: str, at: datetime | None) -> None:
        """Let a claim go without an exchange; see the port."""
        row = (micros_or_none(at), *place, claim)
        await self._write(
            lambda transaction: transaction.change(_PUT_OFF, row), of=UUID(place.project_id)
        )

    async def keep_login(
        self, place: LoginPlace, claim: str, login: SealedLogin, event: AuditEvent
    ) -> bool:
        """Keep what an exchange gave, and let the claim go; see the port."""
        kept = (login.seed.generation, login.sealed)
        times = (micros(login.expires_at), micros(login.refresh_at))
        which = (*place, claim, login.secret_version)

        async def work(transaction: Transaction) -> bool:
            await transaction.change(_WORKS, which)
            if not await transaction.change(_KEEP, (*kept, *times, *which)):
                return False
            transaction.secrets_died = True  # what it replaces may open a registry for hours
            await transaction.audit(event)
            return True

        return await self._write(work, of=UUID(place.project_id))

    async def fail_login(
        self,
        place: LoginPlace,
        claim: str,
        failure: Verdict,
        refresh_at: datetime | None,
        event: AuditEvent,
        news: Event | None = None,
    ) -> bool:
        """Keep why an exchange failed, and let the claim go; see the port."""
        told = (str(failure.kind), failure.reason)
        row = (micros_or_none(refresh_at), *told, *place, claim)

        async def work(transaction: Transaction) -> bool:
            if not await transaction.change(_FAIL, row):
                return False
            await transaction.audit(event)
            if news is not None:
                await put_event(transaction, news)
            return True

        return await self._write(work, of=UUID(place.project_id))


async def forget_logins(transaction: Transaction, place: tuple[str, str]) -> None:
    """Delete what a credential's secret was exchanged for: the secret is going."""
    if await transaction.change(_FORGET, place):
        transaction.secrets_died = True


async def wake_logins(transaction: Transaction, place: tuple[str, str], at: datetime) -> None:
    """Have every place exchanged anew that failed or rests: the secret works."""
    await transaction.change(_WAKE, (micros(at), *place))


@as_written("an exchanged login")
def _kept(row: Row) -> KeptLogin:
    (
        version, kid, generation, wrapped, sealed, refresh_at, failures, failure, note, until,
        expires_at,
    ) = row  # fmt: skip
    return KeptLogin(
        version,
        None if wrapped is None else WrappedSeed(kid, generation, wrapped),
        sealed,
        instant_or_none(refresh_at),
        failures,
        None if failure is None else VerdictKind(failure),
        note or "",
        instant_or_none(until),
        instant_or_none(expires_at),
    )
