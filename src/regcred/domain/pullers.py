"""What each program that pulls would do with the logins that match an image.

Every puller asks in its own way, and the differences decide who gets which login: docker and
podman name only the host, crane names the repository first, the kubelet keeps every login by a
key of its own and tries them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regcred.domain import keyring
from regcred.domain.access import Caller
from regcred.domain.ports import Candidate
from regcred.domain.registry import HUB, HUB_SERVER_URL, ImageReference, Scope
from regcred.domain.selection import choose_for_host, matched_scope, rank


_CONTAINERD = (
    "containerd asks no credential helper: under Kubernetes it gets what the kubelet tries, and "
    "by itself only what hosts.toml or --user gives it"
)


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


def behaviours(
    caller: Caller, reference: ImageReference, at_registry: Sequence[Candidate]
) -> dict[str, Behaviour]:
    """Return what each client does with this image.

    `at_registry` are all logins at the image's registry, whatever their path.
    """
    live = [c for c in at_registry if not c.standing.withheld]
    kept_back = len(live) < len(at_registry)
    by_host = _by_host(caller, reference, live)
    return {
        "docker": _noted(by_host, kept_back, "docker runs the helper in the CLI, by host alone"),
        "podman": _noted(by_host, kept_back, "podman and skopeo ask their helper by host alone"),
        "crane": _noted(_by_repository(caller, reference, live), kept_back),
        "containerd": Behaviour(
            (),
            anonymous=True,
            notes=(_CONTAINERD,),
        ),
        "kubelet": _noted(_by_keyring(caller, reference, live), kept_back),
    }


def keyring_key(scope: Scope) -> str:
    """Return the key under which a login of this scope belongs into a pull secret.

    A path ends in a slash, because the kubelet compares paths as plain prefixes: `reg/team`
    would match `reg/teams/app`, `reg/team/` does not.
    """
    if scope.host == HUB and not scope.path:
        return HUB_SERVER_URL
    return f"{scope}/" if scope.path else str(scope)


def _by_host(caller: Caller, reference: ImageReference, live: Sequence[Candidate]) -> Behaviour:
    choice = choose_for_host(caller, live)
    asked = HUB_SERVER_URL if reference.registry == HUB else reference.registry
    tried = tuple(Attempt(c, asked) for c in choice.logins[:1])
    notes = [] if choice.rule == "none" else [f"asked for {asked}: {choice.rule}"]
    wrong = [c for c in choice.logins[:1] if not _covers(c, reference)]
    if wrong:
        notes.append("the login that host alone leads to is not scoped to this image")
    return Behaviour(tried, anonymous=not tried, notes=tuple(notes))


def _by_repository(
    caller: Caller, reference: ImageReference, live: Sequence[Candidate]
) -> Behaviour:
    if not caller.may_pull(reference.address(), reference.repository):
        return Behaviour((), anonymous=True)
    asked = f"{reference.registry}/{reference.repository}"
    first = rank(c for c in live if _covers(c, reference))[:1]
    return Behaviour(tuple(Attempt(c, asked) for c in first), anonymous=not first)


def _by_keyring(caller: Caller, reference: ImageReference, live: Sequence[Candidate]) -> Behaviour:
    allowed = [
        c for c in rank(live) if not caller.image_patterns or caller.may_receive(matched_scope(c))
    ]
    keys = {c.id: keyring_key(matched_scope(c)) for c in allowed}
    image = f"{reference.registry}/{reference.repository}"
    order = list(dict.fromkeys(keyring.lookup(list(keys.values()), image)))
    tried = tuple(Attempt(c, key) for key in order for c in allowed if keys[c.id] == key)
    notes = (
        ("the kubelet tries each of these with a full pull, and never anonymously after them",)
        if tried
        else ()
    )
    return Behaviour(tried, anonymous=not tried, notes=notes)


def _covers(candidate: Candidate, reference: ImageReference) -> bool:
    return matched_scope(candidate).covers(reference.address(), reference.repository)


def _noted(behaviour: Behaviour, kept_back: bool, *notes: str) -> Behaviour:
    if kept_back:
        notes = (*notes, "a login that its registry turned away is withheld")
    return Behaviour(behaviour.tried, behaviour.anonymous, (*behaviour.notes, *notes))
