"""Which of the matching logins a puller gets, and in which order.

Pure functions over what one read returned. The one thing you would get wrong: a client that asks
by host alone (docker, podman) cannot say which repository it wants, so a scoped login is given
to it only when no other could have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from regcred.domain.access import Caller
from regcred.domain.ports import Candidate
from regcred.domain.registry import Scope

_scope = lru_cache(maxsize=8192)(Scope.parse)


def matched_scope(candidate: Candidate) -> Scope:
    """Return the scope by which `candidate` matched."""
    return _scope(candidate.matched)


def rank(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Order logins for an image, each credential once, by its best scope.

    Exact host before pattern, longer path before shorter, newer before older; ids break ties, so
    that two servers always agree.
    """
    candidates = list(candidates)
    if len(candidates) == 1:
        return candidates
    best: dict[str, Candidate] = {}
    for candidate in in_order(candidates):
        best.setdefault(candidate.id, candidate)
    return list(best.values())


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Order logins as `rank` does, at every scope by which they matched."""
    return sorted(
        candidates,
        key=lambda c: (*matched_scope(c).specificity, c.created_at, c.id),
        reverse=True,
    )


@dataclass(frozen=True, slots=True)
class HostChoice:
    """What a question by host alone comes to: the logins to try, and why no others."""

    logins: tuple[Candidate, ...]
    passed_over: tuple[Candidate, ...]
    rule: str


def choose_for_host(caller: Caller, candidates: Iterable[Candidate]) -> HostChoice:
    """Apply the host-only rule to what `caller` may receive.

    Logins for the whole registry come first; else the one scoped login if it is the only one;
    else none. A narrowed key gets only what its patterns cover whole.
    """
    ranked = rank(candidates)
    mine = [c for c in ranked if caller.may_receive(matched_scope(c))]
    whole = [c for c in mine if not matched_scope(c).path]
    if whole:
        return HostChoice(tuple(whole), _without(ranked, whole), "covers the whole registry")
    if len(mine) == 1:
        return HostChoice(tuple(mine), _without(ranked, mine), "the only login at this registry")
    rule = "several scoped logins, and the question names no repository" if mine else "none"
    return HostChoice((), tuple(ranked), rule)


def _without(candidates: list[Candidate], taken: list[Candidate]) -> tuple[Candidate, ...]:
    ids = {candidate.id for candidate in taken}
    return tuple(candidate for candidate in candidates if candidate.id not in ids)
