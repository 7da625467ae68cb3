"""Hand out the logins for an image: the hot path.

The requests that wait go through each step together (`domain/ports/waves.py`). One fresh read
finds the key, the project and every matching login, so a revoked key or a replaced secret counts
from the very next request; then the audit row commits; then, and only then, the logins leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from regcred.domain.errors import NotAuthenticated, RegcredError
from regcred.domain.ports import (
    Clock,
    Gather,
    Gathering,
    KeyDigests,
    Registries,
    ResolveRead,
    Sealer,
    Store,
    Waiting,
)
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.token import ApiToken
from regcred.domain.workload import is_pod_token
from regcred.usecases.authenticate import caller_behind
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.exchange_logins import PATIENCE, ExchangeLogins
from regcred.usecases.kept_login import Patience
from regcred.usecases.lock_out import LockOut
from regcred.usecases.open_login import OpenLogin
from regcred.usecases.pull import PLENTY, Presented, Question, Resolution, Room
from regcred.usecases.resolving import Asked, Found

_Wave = Sequence[Waiting[Asked, Resolution | Found]]


class ResolveImage:
    """Which logins an image gets, opened."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        digests: KeyDigests,
        clock: Clock,
        registries: Registries,
        exchanges: ExchangeLogins,
        pods: AuthenticatePod,
        lock_out: LockOut,
        gather: Gather,
        meter: Meter = UNMEASURED,
    ) -> None:
        self._store = store
        self._digests = digests
        self._clock = clock
        self._open = OpenLogin(sealer, registries, exchanges)
        self._pods = pods
        self._lock_out = lock_out
        self._in_wave: Gathering[Asked, Resolution | Found] = gather(self._answer)
        self._meter = meter

    async def __call__(
        self,
        presented: Presented,
        question: Question,
        *,
        force: bool = False,
        room: Room = PLENTY,
    ) -> Resolution:
        """Return the logins for the question, once their audit row is durable.

        `force` hands out withheld logins too. A stored secret that is exchanged never leaves: what
        it was exchanged for does, or the reason why there is nothing. Raise NotAuthenticated,
        ProjectNotFound, AccessDenied, QuotaExceeded, SealBroken, KeyringUnavailable,
        StoreUnavailable, and what AuthenticatePod raises.
        """
        answer = await self._ask(presented, question, force, room)
        return await self._patiently(answer) if isinstance(answer, Found) else answer

    def at_once(self, presented: Presented, question: Question, *, force: bool) -> Asked | None:
        """Return what `join` takes, or None for what must be asked by `__call__`."""
        key = presented.key
        if not key or is_pod_token(key):
            return None
        return Asked(presented, question, force, PLENTY, ApiToken.parse(key))

    def join(self, waiting: Waiting[Asked, Resolution | Found]) -> None:
        """Have somebody called with the answer, once the audit row is durable.

        With what was found if opening it must be waited for, or with what is wrong: then
        `conclude` does the rest.
        """
        self._in_wave.join(waiting)

    async def conclude(self, asked: Asked, outcome: Found | BaseException) -> Resolution:
        """Go on from what a wave did not answer. Return and raise what `__call__` does."""
        if isinstance(outcome, Found):
            return await self._patiently(outcome)
        await self._refused(asked, outcome)
        raise outcome

    async def _ask(
        self, presented: Presented, question: Question, force: bool, room: Room
    ) -> Resolution | Found:
        """Return the answer, or what was found if opening it must be waited for.

        Where a pod runs its token says, or nobody: a header was not signed.
        """
        key, project, _, request_id, peer = presented[:5]
        if not key:
            raise NotAuthenticated("missing")
        if is_pod_token(key):
            caller, pod = await self._pods(key, project, request_id=request_id, peer=peer)
            presented = presented._replace(node=pod.node, namespace=pod.namespace)
            return await self._in_wave(Asked(presented, question, force, room, caller))
        asked = Asked(presented, question, force, room, ApiToken.parse(key))
        try:
            return await self._in_wave(asked)
        except NotAuthenticated as why:
            await self._refused(asked, why)
            raise

    async def _refused(self, asked: Asked, why: BaseException) -> None:
        """Count a wrong key. Raise QuotaExceeded if there were too many from its peer."""
        if isinstance(why, NotAuthenticated) and isinstance(asked.who, ApiToken):
            await self._lock_out.refused(why, asked.who.id, asked.presented.peer)

    async def _answer(self, wave: _Wave) -> None:
        """Answer all for which nothing need be waited for but the commit of their reveals."""
        now = self._clock()
        reads = await self._store.read_for_resolves([waiting.asked.read() for waiting in wave])
        found, ready = [], []
        for waiting, read in zip(wave, reads, strict=True):
            try:
                found.append((waiting, self._find(waiting.asked, read, now)))
            except Exception as error:  # noqa: BLE001  whatever it is, it is for one of them
                waiting.failed(error)
        for waiting, one in found:
            try:
                if not self._opened_now(one):
                    waiting.done(one)
                elif not one.opened:
                    waiting.done(self._counted(one))
                else:
                    ready.append((waiting, one))
            except Exception as error:  # noqa: BLE001  as above
                waiting.failed(error)
        if ready:
            kept = await self._store.record_reveals([one.trace() for _, one in ready])
            for (waiting, one), failure in zip(ready, kept, strict=True):
                if failure is None:
                    waiting.done(self._counted(one))
                else:
                    waiting.failed(failure)

    def _counted(self, found: Found) -> Resolution:
        answer = found.resolution()
        self._meter.resolved(len(answer.logins), [login.verdict for login in answer.withheld])
        return answer

    def _find(self, asked: Asked, read: ResolveRead | RegcredError, now: datetime) -> Found:
        """Return who asks and which logins. Raise what is wrong with either."""
        if isinstance(read, RegcredError):
            raise read
        caller, presented = asked.who, asked.presented
        if isinstance(caller, ApiToken):
            request_id, peer = presented.request_id, presented.peer
            caller = caller_behind(
                caller, read.key, self._digests, now, request_id=request_id, peer=peer
            )
        presented.admit(caller)
        return Found(asked, caller, read, now)

    def _opened_now(self, found: Found) -> bool:
        """Open what was found, if nothing need be waited for. Raise SealBroken."""
        address = found.asked.question.address
        for candidate in found.wanted():
            login = self._open.now(found.project_id, candidate, address)
            if login is None:
                return False
            found.take(candidate, login)
        return True

    async def _patiently(self, found: Found) -> Resolution:
        """Open what was found, waiting for first exchanges."""
        patience = Patience(found.at + PATIENCE)
        while True:
            for candidate in found.wanted():
                address = found.asked.question.address
                login = await self._open(found.project_id, candidate, address, patience)
                found.take(candidate, login)
            if not patience.waited:
                break
            # The key, the workload and the logins may be others by now: all is decided anew.
            patience.waited = False
            answer = await self._ask(*found.asked[:4])
            if isinstance(answer, Resolution):
                return answer
            found = answer
        if found.opened:
            await self._store.record_reveal(found.trace())
        return self._counted(found)
