"""Hand out the logins for an image: the hot path.

One fresh read finds the key, the project and every matching login, so a revoked key or a
replaced secret counts from the very next request; then the audit row commits; then, and only
then, the logins leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Reveal
from regcred.domain.errors import NotAuthenticated, ProjectNotFound
from regcred.domain.ports import (
    UNKNOWN_PLACE,
    Candidate,
    Clock,
    KeyDigests,
    LoginPlace,
    ProjectRef,
    Registries,
    ResolveRead,
    SealContext,
    Sealer,
    Store,
)
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.selection import choose_for_host, rank
from regcred.domain.token import ApiToken
from regcred.domain.verdict import VerdictKind
from regcred.usecases.authenticate import caller_behind
from regcred.usecases.exchange_logins import PATIENCE, ExchangeLogins
from regcred.usecases.kept_login import Exchangeable, NoLogin
from regcred.usecases.seal_secret import PASSWORD_FIELD

# All are pure functions of text that many nodes ask about again and again.
# Small: what strangers ask fills them too, before anyone looks at a key.
_parse = lru_cache(maxsize=4096)(ImageReference.parse)
_address = lru_cache(maxsize=4096)(RegistryAddress.parse)
_uuid = lru_cache(maxsize=16384)(UUID)


_NOWHERE = (
    "The stored secret is exchanged for a login, and the registry's name does not say where: check "
    "the name, and the credential's settings."
)


class Question(NamedTuple):
    """What is asked for: an image, or (repository None) a registry by host alone."""

    address: RegistryAddress
    repository: str | None
    text: str
    """For the audit row: the image without tag and digest, or the host."""


class Presented(NamedTuple):
    """The request around a question, as it came in."""

    key: str | None
    project: ProjectRef | None
    client: str
    request_id: str
    peer: str
    node: str = ""
    namespace: str = ""
    """Where the logins go, as the client says; "" if it does not."""


class Login(NamedTuple):
    """What a puller receives."""

    credential_id: str
    credential_name: str
    registry: str
    username: str
    password: Secret
    expires_at: datetime | None


class Withheld(NamedTuple):
    """A login kept back: the registry turned it away, or the stored secret got none."""

    credential_id: str
    credential_name: str
    verdict: str
    reason: str = ""
    """Why the exchange of the stored secret failed; "" for a login that was turned away."""


class Resolution(NamedTuple):
    """The logins to try, in order, and those kept back."""

    logins: Sequence[Login]
    withheld: Sequence[Withheld]


def question_for_image(text: str) -> tuple[ImageReference, Question]:
    """Return the reference and the question it asks. Raise InvalidReference, InvalidInput."""
    reference = _parse(text)
    address = _address(reference.registry)
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
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._digests = digests
        self._clock = clock
        self._registries = registries
        self._exchanges = exchanges

    async def __call__(
        self, presented: Presented, question: Question, *, force: bool = False
    ) -> Resolution:
        """Return the logins for the question, once their audit row is durable.

        `force` hands out withheld logins too. A stored secret that is exchanged never leaves: what
        it was exchanged for does, or the reason why there is nothing. Raise NotAuthenticated,
        ProjectNotFound, AccessDenied, SealBroken, KeyringUnavailable, StoreUnavailable.
        """
        if not presented.key:
            raise NotAuthenticated("missing")
        token = ApiToken.parse(presented.key)
        read = await self._store.read_for_resolve(
            token.id, presented.project, question.address, question.repository
        )
        now = self._clock()
        caller = caller_behind(
            token,
            read.key,
            self._digests,
            now,
            request_id=presented.request_id,
            peer=presented.peer,
        )
        project_id = _permit(caller, read)
        chosen = _choose(caller, question, read.candidates)
        withheld: list[Withheld] = []
        logins: list[Login] = []
        handed: list[Candidate] = []
        for candidate in chosen:
            if candidate.standing.withheld and not force:
                kind = str(candidate.standing.last)
                withheld.append(Withheld(candidate.id, candidate.name, kind))
                continue
            login = await self._login(project_id, candidate, question, now + PATIENCE)
            if isinstance(login, Withheld):
                withheld.append(login)
                continue
            logins.append(login)
            handed.append(candidate)
        if handed:
            await self._store.record_reveal(
                Reveal(
                    project_id,
                    str(caller.principal),
                    now,
                    question.text,
                    presented.client,
                    presented.request_id,
                    presented.peer,
                    tuple((c.id, c.secret_version) for c in handed),
                    presented.node,
                    presented.namespace,
                )
            )
        return Resolution(logins, withheld)

    async def _login(
        self, project_id: str, candidate: Candidate, question: Question, until: datetime
    ) -> Login | Withheld:
        """Return what the puller gets: the stored login, or the one that it is exchanged for."""
        place = self._registries.place(candidate.delivery, question.address)
        if place is None:
            return await self._open(project_id, candidate, question)
        if place == UNKNOWN_PLACE:
            kind = str(VerdictKind.UNSUPPORTED)
            return Withheld(candidate.id, candidate.name, kind, _NOWHERE)
        where = LoginPlace(project_id, candidate.id, place)
        wanted = Exchangeable(
            where, candidate.secret_version, candidate.delivery, candidate.standing
        )
        login = await self._exchanges.login(wanted, until)
        if isinstance(login, NoLogin):
            return Withheld(candidate.id, candidate.name, str(login.kind), login.note)
        return Login(
            candidate.id,
            candidate.name,
            str(question.address),
            login.username,
            login.password,
            login.expires_at,
        )

    async def _open(self, project_id: str, candidate: Candidate, question: Question) -> Login:
        context = SealContext(
            project_id,
            candidate.id,
            PASSWORD_FIELD,
            candidate.secret_version,
            candidate.delivery,
        )
        return Login(
            candidate.id,
            candidate.name,
            str(question.address),
            candidate.delivery.username,
            await self._sealer.open(candidate.seed, context, candidate.sealed),
            candidate.expires_at,
        )


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
