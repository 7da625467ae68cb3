"""Turn a presented API key into a Caller, or refuse it.

The one thing you would get wrong: telling an unknown key from a wrong one. Both do the same work
and get the same answer; only who holds the right secret hears that a key is expired or disabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from regcred.domain.access import ApiKey, Caller, Principal
from regcred.domain.errors import NotAuthenticated, SealBroken
from regcred.domain.ports import Clock, Gather, Gathering, KeyDigests, Store, StoredKey, Waiting
from regcred.domain.token import ApiToken
from regcred.domain.workload import is_pod_token
from regcred.usecases.lock_out import LockOut


class Authenticate:
    """Who sent this request."""

    def __init__(
        self,
        store: Store,
        digests: KeyDigests,
        clock: Clock,
        lock_out: LockOut,
        gather: Gather,
    ) -> None:
        self._store = store
        self._digests = digests
        self._clock = clock
        self._lock_out = lock_out
        self._each = gather.each
        self._stored: Gathering[str, StoredKey | None] = gather(self._find)

    async def __call__(self, presented: str | None, *, request_id: str, peer: str) -> Caller:
        """Return the caller behind a presented key.

        Raise NotAuthenticated, SealBroken, QuotaExceeded (wrong keys from this peer).
        """
        if not presented:
            raise NotAuthenticated("missing")
        if is_pod_token(presented):
            raise NotAuthenticated("misplaced")
        token = ApiToken.parse(presented)
        stored = await self._stored(token.id)
        try:
            return caller_behind(
                token, stored, self._digests, self._clock(), request_id=request_id, peer=peer
            )
        except NotAuthenticated as why:
            await self._lock_out.refused(why, token.id, peer)
            raise

    async def _find(self, wave: Sequence[Waiting[str, StoredKey | None]]) -> None:
        """Read the keys of all that wait (`domain/ports/waves.py`), each once."""
        keys = await self._each(
            self._store.key_for_authentication, [waiting.asked for waiting in wave]
        )
        for waiting in wave:
            found = keys[waiting.asked]
            if isinstance(found, Exception):
                waiting.failed(found)
            else:
                waiting.done(found)


def caller_behind(
    token: ApiToken,
    stored: StoredKey | None,
    digests: KeyDigests,
    now: datetime,
    *,
    request_id: str,
    peer: str,
) -> Caller:
    """Return the caller if `token` opens the stored key now. Raise NotAuthenticated, SealBroken.

    That a row was edited is found only behind the right secret: nobody else hears of it.
    """
    matched = digests.matches(token.secret, stored.digest if stored else None)
    if stored is None or not matched:
        raise NotAuthenticated("unknown")
    require_genuine(stored, digests)
    return _caller(stored.key, now, request_id, peer)


async def caller_still(caller: Caller, store: Store, digests: KeyDigests, now: datetime) -> Caller:
    """Return the caller as its key stands now, after a wait. Raise NotAuthenticated, SealBroken."""
    stored = await store.key_for_authentication(caller.principal.id)
    if stored is None:
        raise NotAuthenticated("unknown")
    require_genuine(stored, digests)
    return _caller(stored.key, now, caller.request_id, caller.peer)


def _caller(key: ApiKey, now: datetime, request_id: str, peer: str) -> Caller:
    if key.disabled:
        raise NotAuthenticated("disabled")
    if key.expires_at is not None and key.expires_at <= now:
        raise NotAuthenticated("expired")
    return Caller(
        Principal("key", key.id),
        key.project_id,
        key.role,
        operator=key.operator,
        image_patterns=key.image_patterns,
        expires_at=key.expires_at,
        request_id=request_id,
        peer=peer,
    )


def require_genuine(stored: StoredKey, digests: KeyDigests) -> None:
    """Pass if the key is as this service stored it. Raise SealBroken for an edited row."""
    if not digests.genuine(stored):
        raise SealBroken("an API key")
