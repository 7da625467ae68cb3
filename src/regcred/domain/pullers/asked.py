"""The question that a client answers by its own rules, and the form of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from regcred.domain.access import Caller
from regcred.domain.handout import IDENTITY_TOKEN, Entry, Opened
from regcred.domain.ports import Candidate
from regcred.domain.registry import HUB, ImageReference
from regcred.domain.secret import Secret
from regcred.domain.selection import in_order, matched_scope, rank

MADE_FOR_NONE = (
    "{} covers more than this key may have: it stands in what is made for the image alone; or take "
    "a key for {}, or a login scoped to the path"
)
"""Of what is handed out for no image in particular: names, registry."""

_NOT_OPENED = Secret("-")
"""In the place of a password: where a login stands does not depend on it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login that a client would try, under the name by which the client knows it."""

    candidate: Candidate
    known_as: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one client does: the logins in the order tried, and whether it goes on without one."""

    tried: tuple[Attempt, ...]
    anonymous: bool
    notes: tuple[str, ...] = ()

    def noting(self, *notes: str) -> Behaviour:
        """Return the same with notes added."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True, slots=True)
class Asked:
    """An image, who asks for it, and every login at its registry."""

    caller: Caller
    reference: ImageReference
    at_registry: Sequence[Candidate]
    failing: Mapping[str, str]
    """Why a login is not to be had now, by its id."""

    @property
    def hub(self) -> bool:
        """Whether the image is named as one of Docker Hub's."""
        return self.reference.registry == HUB

    @property
    def name(self) -> str:
        """The repository with its registry, as the reference spells it."""
        return f"{self.reference.registry}/{self.reference.repository}"

    def live(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return those that are handed out."""
        return [c for c in candidates if not c.standing.withheld and c.id not in self.failing]

    def covers(self, candidate: Candidate) -> bool:
        """Whether the image lies in the login's scope."""
        return matched_scope(candidate).covers(self.reference.address(), self.reference.repository)

    def covering(self) -> list[Candidate]:
        """Return the logins for the image, in resolve's order."""
        if not self.caller.may_pull(self.reference.address(), self.reference.repository):
            return []
        return rank(c for c in self.at_registry if self.covers(c))

    def resolved(self) -> list[Candidate]:
        """Return what resolve hands out for the image, in its order."""
        return self.live(self.covering())

    def too_wide(self) -> list[str]:
        """Return the names of the image's logins that the key may have for images alone."""
        return [c.name for c in self.resolved() if not self.caller.may_receive(matched_scope(c))]

    def entries(self) -> Iterator[Entry]:
        """Yield what is handed out for no image in particular, at every scope, best first."""
        for candidate in self.live(in_order(self.at_registry)):
            scope = matched_scope(candidate)
            if self.caller.may_receive(scope):
                username = candidate.delivery.username
                opened = Opened(username, _NOT_OPENED, candidate.expires_at)
                yield Entry(candidate.id, candidate.name, scope, opened)

    def candidate(self, entry: Entry) -> Candidate:
        """Return the candidate that an entry was made of."""
        return next(
            c
            for c in self.at_registry
            if (c.id, matched_scope(c)) == (entry.credential_id, entry.scope)
        )

    def kept_back(self) -> tuple[str, ...]:
        """Return a note for each kind of login that nobody gets."""
        notes = []
        if any(c.standing.withheld for c in self.at_registry):
            notes.append("a login that its registry turned away is withheld")
        if self.failing:
            notes.append("a login whose stored secret could not be exchanged is left out")
        return tuple(notes)


def identity_token(candidate: Candidate) -> bool:
    """Whether the secret is a token for token servers, and the user name is docker's mark of it."""
    return candidate.delivery.username == IDENTITY_TOKEN
