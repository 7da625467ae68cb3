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

_CRANE_HUB = "index.docker.io"
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

    `at_registry` are all logins at the image's registry, whatever their path and standing: a
    withheld login still counts where the choice is made, as it does when pullers ask.
    """
    kept_back = any(c.standing.withheld for c in at_registry)
    hub = reference.registry == HUB
    docker = _by_host(caller, reference, at_registry, HUB_SERVER_URL if hub else None)
    podman = _by_host(caller, reference, at_registry)
    crane = _by_repository(caller, reference, at_registry)
    return {
        "docker": _noted(docker, kept_back, "docker runs the helper in the CLI, by host alone"),
        "podman": _noted(podman, kept_back, "podman and skopeo ask their helper by host alone"),
        "crane": _noted(crane, kept_back),
        "containerd": Behaviour((), anonymous=True, notes=(_CONTAINERD,)),
        "kubelet": _noted(_by_keyring(caller, reference, at_registry), kept_back),
    }


def keyring_key(scope: Scope) -> str:
    """Return the key under which a login of this scope belongs into a pull secret.

    A path ends in a slash, because the kubelet compares paths as plain prefixes: `reg/team`
    would match `reg/teams/app`, `reg/team/` does not.
    """
    if (scope.host, scope.port, scope.path) == (HUB, None, ""):
        return HUB_SERVER_URL
    registry = str(Scope(scope.host, scope.port))
    return registry_key(registry, f"{scope.path}/") if scope.path else registry


def registry_key(registry: str, path: str) -> str:
    """Return the key that stands for exactly this path at a registry.

    Kubelet and docker take a leading `v1/` or `v2/` for the API's version and drop it: a path
    that begins so gets one to drop, or it would stand for other repositories.
    """
    dropped = "v1/" if path.startswith(("v1/", "v2/")) else ""
    return f"{registry}/{dropped}{path}"


def keys_for_image(reference: ImageReference, scopes: Sequence[Scope]) -> list[str]:
    """Return a key for each login of an image, in the order in which they are to be tried.

    All are whole-component prefixes of the image, as its registry is spelled there, and each is
    longer than the next: a kubelet that keeps them tries them in this order, for images of any
    spelling. A login stands under its own scope's path where that leaves room; where there are
    more logins than prefixes, the last of them get no key.
    """
    components = reference.repository.split("/")
    deepest = len(components)
    depths = [len(scope.path.split("/")) if scope.path else 0 for scope in scopes[: deepest + 1]]
    for place in range(len(depths) - 2, -1, -1):
        depths[place] = max(depths[place], depths[place + 1] + 1)
    most = deepest
    for place, depth in enumerate(depths):
        depths[place] = min(depth, most)
        most = depths[place] - 1
    return [_prefix_key(reference.registry, components, depth) for depth in depths]


def _prefix_key(registry: str, components: Sequence[str], depth: int) -> str:
    if not depth:
        return registry
    # `reg/team/app/` does not match the image `reg/team/app`: the whole repository has no slash.
    end = "" if depth == len(components) else "/"
    return registry_key(registry, "/".join(components[:depth]) + end)


def _by_host(
    caller: Caller,
    reference: ImageReference,
    candidates: Sequence[Candidate],
    server: str | None = None,
) -> Behaviour:
    """Ask for `server`, or for the registry as the reference spells it."""
    choice = choose_for_host(caller, candidates)
    asked = server or reference.registry
    tried = tuple(Attempt(c, asked) for c in _live(choice.logins)[:1])
    notes = [] if choice.rule == "none" else [f"asked for {asked}: {choice.rule}"]
    if any(not _covers(attempt.candidate, reference) for attempt in tried):
        notes.append("the login that host alone leads to is not scoped to this image")
    return Behaviour(tried, anonymous=not tried, notes=tuple(notes))


def _by_repository(
    caller: Caller, reference: ImageReference, candidates: Sequence[Candidate]
) -> Behaviour:
    """Ask for the whole repository, then, told that there is nothing, for the host."""
    # crane spells Docker Hub its own way (go-containerregistry, pkg/name and pkg/authn).
    hub = reference.registry == HUB
    asked = f"{_CRANE_HUB if hub else reference.registry}/{reference.repository}"
    mine = caller.may_pull(reference.address(), reference.repository)
    covering = rank(c for c in candidates if mine and _covers(c, reference))
    first = tuple(Attempt(c, asked) for c in _live(covering)[:1])
    if first:
        return Behaviour(first, anonymous=False)
    by_host = _by_host(caller, reference, candidates, HUB_SERVER_URL if hub else None)
    notes = (f"asked for {asked}: none, so crane asks again by host alone", *by_host.notes)
    return Behaviour(by_host.tried, by_host.anonymous, notes)


def _by_keyring(
    caller: Caller, reference: ImageReference, candidates: Sequence[Candidate]
) -> Behaviour:
    allowed = [c for c in rank(_live(candidates)) if caller.may_receive(matched_scope(c))]
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


def _live(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if not candidate.standing.withheld]


def _covers(candidate: Candidate, reference: ImageReference) -> bool:
    return matched_scope(candidate).covers(reference.address(), reference.repository)


def _noted(behaviour: Behaviour, kept_back: bool, *notes: str) -> Behaviour:
    if kept_back:
        notes = (*notes, "a login that its registry turned away is withheld")
    return Behaviour(behaviour.tried, behaviour.anonymous, (*behaviour.notes, *notes))
