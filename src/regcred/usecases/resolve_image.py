"""Hand out the logins for an image: the hot path.

The requests that wait go through each step together (`domain/ports/waves.py`). One fresh read
finds the key, the project and every matching login, so a revoked key or a replaced secret counts
from the very next request; then the audit row commits; then, and only then, the logins leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Reveal
from regcred.domain.errors import NotAuthenticated, ProjectNotFound, RegcredError
from regcred.domain.ports import (
    Candidate,
    Clock,
    Gather,
    KeyDigests,
    Registries,
    ResolveQuestion,
    ResolveRead,
    Sealer,
    Store,
    Waiting,
)
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.selection import choose_for_host, rank
from regcred.domain.token import ApiToken
from regcred.domain.workload import is_pod_token
from regcred.usecases.authenticate import caller_behind
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.exchange_logins import PATIENCE, ExchangeLogins
from regcred.usecases.kept_login import Patience
from regcred.usecases.lock_out import LockOut
from regcred.usecases.open_login import Login, OpenLogin, Withheld
from regcred.usecases.pull import PLENTY, Presented, Question, Resolution, Room

_uuid = lru_cache(maxsize=4096)(UUID)


class _Asked(NamedTuple):
    """A request with its question, as far as it is known who asks."""

    presented: Presented
    question: Question
    force: bool
    room: Room
    who: ApiToken | Caller
    """A key to look up, or the workload that a pod's token speaks for."""

    def read(self) -> ResolveQuestion:
        """Return what must be read for it."""
        _, (address, repository, _), _, _, who = self
        if isinstance(who, Caller):
            return ResolveQuestion(None, who.project_id, address, repository)
        return ResolveQuestion(who.id, self.presented.project, address, repository)


class _Found:
    """Who asks, the logins to open, and those that were opened or kept back."""

    __slots__ = ("_chosen", "asked", "at", "caller", "opened", "project_id", "withheld")

    def __init__(self, asked: _Asked, caller: Caller, read: ResolveRead, at: datetime) -> None:
        """Raise ProjectNotFound, AccessDenied."""
        self.asked, self.caller, self.at = asked, caller, at
        self.project_id = _permit(caller, read)
        self._chosen = _choose(caller, asked.question, read.candidates)
        self.opened: list[tuple[Candidate, Login]] = []
        self.withheld: list[Withheld] = []

    def wanted(self) -> Iterator[Candidate]:
        """Yield what to open next, as long as there is room, and keep back what must be."""
        self.opened, self.withheld = [], []
        room, force = self.asked.room, self.asked.force
        for candidate in filter(room.takes, self._chosen):
            if len(self.opened) == room.logins:
                return
            if candidate.standing.withheld and not force:
                kind = str(candidate.standing.last)
                self.withheld.append(Withheld(candidate.id, candidate.name, kind))
            else:
                yield candidate

    def take(self, candidate: Candidate, login: Login | Withheld) -> None:
        """Note what came of opening one."""
        if isinstance(login, Withheld):
            self.withheld.append(login)
        else:
            self.opened.append((candidate, login))

    def trace(self) -> Reveal:
        """Return what the audit is told of what was opened."""
        told = self.asked.presented
        return Reveal(
            self.project_id,
            str(self.caller.principal),
            self.asked.question.text,
            told.client,
            told.peer,
            tuple([(candidate.id, candidate.secret_version) for candidate, _ in self.opened]),
            told.node,
            told.namespace,
            self.at,
            told.request_id,
        )

    def resolution(self) -> Resolution:
        """Return what whoever asks gets."""
        logins = [login for _, login in self.opened]
        return Resolution(logins, self.withheld, self.caller.expires_at)


_Wave = Sequence[Waiting[_Asked, Resolution | _Found]]


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
        self._in_wave = gather(self._answer)
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
        if isinstance(answer, _Found):
            answer = await self._patiently(answer)
        self._meter.resolved(len(answer.logins), [login.verdict for login in answer.withheld])
        return answer

    async def _ask(
        self, presented: Presented, question: Question, force: bool, room: Room
    ) -> Resolution | _Found:
        """Return the answer, or what was found if opening it must be waited for.

        Where a pod runs its token says, or nobody: a header was not signed.
        """
        key, project, _, request_id, peer = presented[:5]
        if not key:
            raise NotAuthenticated("missing")
        if is_pod_token(key):
            caller, pod = await self._pods(key, project, request_id=request_id, peer=peer)
            presented = presented._replace(node=pod.node, namespace=pod.namespace)
            return await self._in_wave(_Asked(presented, question, force, room, caller))
        token = ApiToken.parse(key)
        try:
            return await self._in_wave(_Asked(presented, question, force, room, token))
        except NotAuthenticated as why:
            await self._lock_out.refused(why, token.id, peer)
            raise

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
                    waiting.done(one.resolution())
                else:
                    ready.append((waiting, one))
            except Exception as error:  # noqa: BLE001  as above
                waiting.failed(error)
        if ready:
            await self._store.record_reveals([one.trace() for _, one in ready])
        for waiting, one in ready:
            waiting.done(one.resolution())

    def _find(self, asked: _Asked, read: ResolveRead | RegcredError, now: datetime) -> _Found:
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
        return _Found(asked, caller, read, now)

    def _opened_now(self, found: _Found) -> bool:
        """Open what was found, if nothing need be waited for. Raise SealBroken."""
        address = found.asked.question.address
        for candidate in found.wanted():
            login = self._open.now(found.project_id, candidate, address)
            if login is None:
                return False
            found.take(candidate, login)
        return True

    async def _patiently(self, found: _Found) -> Resolution:
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
        return found.resolution()


def _permit(caller: Caller, read: ResolveRead) -> str:
    """Return the project's id if the caller may take logins from it."""
    if read.project_id is None:
        raise ProjectNotFound
    caller.require(Permission.REVEAL, _uuid(read.project_id))
    return read.project_id


def _choose(
    caller: Caller, question: Question, candidates: Sequence[Candidate]
) -> Sequence[Candidate]:
    if question.repository is None:
        return choose_for_host(caller, candidates).logins
    if not caller.may_pull(question.address, question.repository):
        return ()
    return rank(candidates)
