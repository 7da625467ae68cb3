"""Hand out the logins for an image: the hot path.

One fresh read finds the key, the project and every matching login, so a revoked key or a
replaced secret counts from the very next request; then the audit row commits; then, and only
then, the logins leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Reveal
from regcred.domain.errors import NotAuthenticated, ProjectNotFound
from regcred.domain.handout import IDENTITY_TOKEN
from regcred.domain.ports import (
    Candidate,
    Clock,
    KeyDigests,
    ProjectRef,
    Registries,
    ResolveRead,
    Sealer,
    Store,
)
from regcred.domain.ports.measuring import UNMEASURED, Meter
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.selection import choose_for_host, rank
from regcred.domain.token import ApiToken
from regcred.domain.workload import is_pod_token
from regcred.usecases.authenticate import caller_behind
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.exchange_logins import PATIENCE, ExchangeLogins
from regcred.usecases.kept_login import Patience
from regcred.usecases.lock_out import LockOut
from regcred.usecases.open_login import Login, OpenLogin, Withheld
from regcred.usecases.together import together

_uuid = lru_cache(maxsize=4096)(UUID)


class Question(NamedTuple):
    """What is asked for: an image, or (repository None) a registry by host alone."""

    address: RegistryAddress
    repository: str | None
    text: str
    """For the audit row: the image without tag and digest, or the host."""


class Presented(NamedTuple):
    """The request around a question, as it came in."""

    key: str | None
    """An API key, or a pod's service-account token."""

    project: ProjectRef | None
    client: str
    request_id: str
    peer: str
    node: str = ""
    namespace: str = ""
    """Where the logins go, as the client says; "" if it does not."""

    admit: Callable[[Caller], None] = lambda _caller: None
    """Raises QuotaExceeded if the caller must wait; asked once it is known who that is."""


class Room(NamedTuple):
    """What the client can take: what it cannot is neither opened nor recorded as handed out."""

    logins: int
    """At most so many, the best first."""

    identity_tokens: bool
    """Whether it knows what to do with the user name `<token>`."""

    def takes(self, candidate: Candidate) -> bool:
        """Whether the client can use this login."""
        return self.identity_tokens or candidate.delivery.username != IDENTITY_TOKEN


PLENTY = Room(logins=256, identity_tokens=True)
"""More than any one read finds."""


class Resolution(NamedTuple):
    """The logins to try, in order, and those kept back."""

    logins: Sequence[Login]
    withheld: Sequence[Withheld]
    caller_ends: datetime | None
    """When whoever asked may ask no longer; None: never."""


# A pure function of text that many nodes ask about again and again.
# Small: what strangers ask fills it too, before anyone looks at a key.
@lru_cache(maxsize=2048)
def question_for_image(text: str) -> tuple[ImageReference, Question]:
    """Return the reference and the question it asks. Raise InvalidReference, InvalidInput."""
    reference = ImageReference.parse(text)
    address = RegistryAddress.parse(reference.registry)
    asked = f"{reference.registry}/{reference.repository}"
    return reference, Question(address, reference.repository, asked)


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
        meter: Meter = UNMEASURED,
    ) -> None:
        self._store = store
        self._digests = digests
        self._clock = clock
        self._open = OpenLogin(sealer, registries, exchanges)
        self._pods = pods
        self._lock_out = lock_out
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
        now = self._clock()
        patience = Patience(now + PATIENCE)
        while True:
            caller, read, told = await self._read(presented, question, now)
            presented.admit(caller)
            project_id = _permit(caller, read)
            chosen = filter(room.takes, _choose(caller, question, read.candidates))
            opened, withheld = await self._opened(
                project_id, chosen, question, room.logins, patience, force=force
            )
            if not patience.waited:
                break
            # The key, the workload and the logins may be others by now: all is decided anew.
            patience.waited, now = False, self._clock()
        if opened:
            await self._store.record_reveal(
                Reveal(
                    project_id,
                    str(caller.principal),
                    question.text,
                    told.client,
                    told.peer,
                    tuple([(c.id, c.secret_version) for c, _ in opened]),
                    told.node,
                    told.namespace,
                    now,
                    told.request_id,
                )
            )
        self._meter.resolved(len(opened), [login.verdict for login in withheld])
        return Resolution([login for _, login in opened], withheld, caller.expires_at)

    async def _opened(
        self,
        project_id: str,
        chosen: Iterable[Candidate],
        question: Question,
        most: int,
        patience: Patience,
        *,
        force: bool,
    ) -> tuple[list[tuple[Candidate, Login]], list[Withheld]]:
        """Return at most so many of the chosen, opened, and those kept back before them."""
        withheld: list[Withheld] = []
        opened: list[tuple[Candidate, Login]] = []
        for candidate in chosen:
            if len(opened) == most:
                break
            if candidate.standing.withheld and not force:
                kind = str(candidate.standing.last)
                withheld.append(Withheld(candidate.id, candidate.name, kind))
                continue
            await together()
            login = await self._open(project_id, candidate, question.address, patience)
            if isinstance(login, Withheld):
                withheld.append(login)
            else:
                opened.append((candidate, login))
        return opened, withheld

    async def _read(
        self, presented: Presented, question: Question, now: datetime
    ) -> tuple[Caller, ResolveRead, Presented]:
        """Return who asks, what was read for the question, and the request as it is told of.

        Where a pod runs its token says, or nobody: a header was not signed.
        """
        key, address, repository = presented.key, question.address, question.repository
        if not key:
            raise NotAuthenticated("missing")
        if is_pod_token(key):
            caller, pod = await self._pods(
                key, presented.project, request_id=presented.request_id, peer=presented.peer
            )
            read = await self._store.read_for_resolve(None, caller.project_id, address, repository)
            return caller, read, presented._replace(node=pod.node, namespace=pod.namespace)
        token = ApiToken.parse(key)
        read = await self._store.read_for_resolve(token.id, presented.project, address, repository)
        try:
            caller = caller_behind(
                token,
                read.key,
                self._digests,
                now,
                request_id=presented.request_id,
                peer=presented.peer,
            )
        except NotAuthenticated as why:
            await self._lock_out.refused(why, token.id, presented.peer)
            raise
        return caller, read, presented


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
