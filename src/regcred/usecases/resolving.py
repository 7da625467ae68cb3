"""One resolve on its way: what is asked, and what was found for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Reveal
from regcred.domain.errors import ProjectNotFound
from regcred.domain.ports import Candidate, ResolveQuestion, ResolveRead
from regcred.domain.selection import choose_for_host, rank
from regcred.domain.token import ApiToken
from regcred.usecases.open_login import Login, Withheld
from regcred.usecases.pull import Presented, Question, Resolution, Room

_uuid = lru_cache(maxsize=4096)(UUID)


class Asked(NamedTuple):
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


class Found:
    """Who asks, the logins to open, and those that were opened or kept back."""

    __slots__ = ("_chosen", "asked", "at", "caller", "opened", "project_id", "withheld")

    def __init__(self, asked: Asked, caller: Caller, read: ResolveRead, at: datetime) -> None:
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
