"""Say which login an image would get, by which rule, and what each client would do. No secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from regcred.domain.access import Caller, Permission
from regcred.domain.ports import (
    UNKNOWN_PLACE,
    Candidate,
    Clock,
    LoginPlace,
    ProjectRef,
    Registries,
    Store,
)
from regcred.domain.pullers import Behaviour, behaviours
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.selection import matched_scope, rank
from regcred.usecases.exchange_logins import PATIENCE
from regcred.usecases.kept_login import NOWHERE, foreseen
from regcred.usecases.manage_projects import reach_project

_NOT_THIS_KEYS = "this key is narrowed to other images"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A login at the image's registry: its place (None: out of the race) and the rule for it."""

    candidate: Candidate
    rank: int | None
    rule: str
    reason: str = ""
    """Why there is no login of its stored secret now; "" too if it was its registry's word."""

    @property
    def withheld(self) -> bool:
        """Whether pullers do not get it now."""
        return self.candidate.standing.withheld or bool(self.reason)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that decides an image's login."""

    reference: ImageReference
    candidates: tuple[Ranked, ...]
    clients: dict[str, Behaviour]


class ExplainImage:
    """Why an image gets the login it gets."""

    def __init__(self, store: Store, registries: Registries, clock: Clock) -> None:
        self._store = store
        self._registries = registries
        self._clock = clock

    async def __call__(self, caller: Caller, ref: ProjectRef | None, image: str) -> Explanation:
        """Rank every login at the image's registry.

        A narrowed key sees the logins that its patterns touch. What exchanges have come to is
        read, and none is made. Raise InvalidReference, InvalidInput (a registry that is no
        address), ProjectNotFound, AccessDenied.
        """
        project = await reach_project(self._store, caller, ref, Permission.READ)
        reference = ImageReference.parse(image)
        # Two reads: where a registry has more logins than one read takes, none that covers the
        # image may be missing.
        asked = (None, project.id, reference.address())
        covering = await self._store.read_for_resolve(*asked, reference.repository)
        others = await self._store.read_for_resolve(*asked, None)
        visible = [
            c
            for c in _united(covering.candidates, others.candidates)
            if not caller.image_patterns
            or any(pattern.overlaps(matched_scope(c)) for pattern in caller.image_patterns)
        ]
        ranked = (
            _ranked(reference, visible)
            if caller.may_pull(reference.address(), reference.repository)
            else tuple(Ranked(c, None, _NOT_THIS_KEYS) for c in rank(visible))
        )
        failing = await self._failing(str(project.id), visible, reference.address())
        return Explanation(
            reference,
            tuple(replace(r, reason=failing.get(r.candidate.id, "")) for r in ranked),
            behaviours(caller, reference, visible, failing),
        )

    async def _failing(
        self, project_id: str, candidates: Iterable[Candidate], registry: RegistryAddress
    ) -> dict[str, str]:
        """Return, by id, why stored secrets that are exchanged give no login now."""
        reasons: dict[str, str] = {}
        now = self._clock()
        for candidate in {c.id: c for c in candidates}.values():
            place = self._registries.place(candidate.delivery, registry)
            if place is None or candidate.standing.withheld:
                continue
            if place == UNKNOWN_PLACE:
                reasons[candidate.id] = NOWHERE
                continue
            kept = await self._store.find_login(LoginPlace(project_id, candidate.id, place))
            failed = foreseen(candidate.standing, kept, now + PATIENCE, now)
            if failed is not None:
                reasons[candidate.id] = failed.note
        return reasons


def _united(first: Iterable[Candidate], second: Iterable[Candidate]) -> list[Candidate]:
    return list({(c.id, c.matched): c for c in (*first, *second)}.values())


def _ranked(reference: ImageReference, visible: list[Candidate]) -> tuple[Ranked, ...]:
    address = reference.address()
    inside = [c for c in visible if matched_scope(c).covers(address, reference.repository)]
    winners = rank(inside)
    ranked = [
        Ranked(candidate, place, _why(candidate, winners[place - 2] if place > 1 else None))
        for place, candidate in enumerate(winners, start=1)
    ]
    taken = {candidate.id for candidate in winners}
    outside = [
        Ranked(
            candidate,
            None,
            f"its scope {candidate.matched} does not cover {reference.repository} "
            "by whole path components",
        )
        for candidate in rank(c for c in visible if c.id not in taken)
    ]
    return (*ranked, *outside)


def _why(candidate: Candidate, better: Candidate | None) -> str:
    scope = matched_scope(candidate)
    kind = "host pattern" if scope.pattern else "exact host"
    path = f"path {scope.path}" if scope.path else "the whole registry"
    covers = f"{kind}, covers {path}"
    if better is None:
        return covers
    above = matched_scope(better)
    if above.pattern != scope.pattern:
        return f"{covers}; after an exact host"
    if above.specificity != scope.specificity:
        return f"{covers}; after a longer path"
    return f"{covers}; after a newer login of the same scope"
