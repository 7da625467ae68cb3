"""Clients that run docker's credential helper, which answers with one login at most.

The one thing you would get wrong: all but crane name the host alone, so that what they get
follows the host-only rule, whatever the image's path is.
"""

from __future__ import annotations

from regcred.domain.pullers.asked import Asked, Attempt, Behaviour, identity_token
from regcred.domain.registry import HUB_SERVER_URL
from regcred.domain.selection import choose_for_host

_CRANE_HUB = "index.docker.io"
_FAILS = (
    "{}: its secret could not be exchanged, so the helper answers with an error and the pull "
    "fails, unless it is set to go on (on_error)"
)


_TOO_WIDE = (
    "{} covers more than this key may have: for clients that ask by host alone take a key for {}, "
    "or a login scoped to the path"
)


def docker(asked: Asked) -> Behaviour:
    """The CLI asks and passes the answer on; the daemon runs no helper."""
    found = _by_host(asked, _server_url(asked))
    return found.noting("docker runs the helper in the CLI, by host alone", *asked.kept_back())


def podman(asked: Asked) -> Behaviour:
    """Podman, and with it buildah and skopeo: Docker Hub has no URL there."""
    found = _by_host(asked, asked.reference.registry)
    return found.noting(
        "podman, buildah and skopeo ask their helper by host alone, and mirrors by their own",
        *asked.kept_back(),
    )


def nerdctl(asked: Asked) -> Behaviour:
    """It tries spellings until one has an answer: `host:443` first, where no port is written."""
    registry = asked.reference.registry
    default_port = asked.reference.address().port is None and not registry.endswith(":443")
    spelling = HUB_SERVER_URL if asked.hub else f"{registry}:443" if default_port else registry
    found = _by_host(asked, spelling)
    if found.anonymous and not asked.hub:
        found = found.noting(f"nerdctl also asks for https:// and http:// {registry}")
    return found.noting(*asked.kept_back())


def nomad(asked: Asked) -> Behaviour:
    """The docker driver: no login is no anonymous pull there."""
    found = _by_host(asked, asked.reference.registry)
    notes = [] if found.tried else ["a helper that finds nothing fails Nomad's task"]
    if any(identity_token(attempt.candidate) for attempt in found.tried):
        notes.append("Nomad takes <token> for a user name: an identity token is of no use to it")
    return Behaviour(found.tried, anonymous=False, notes=found.notes).noting(
        *notes, *asked.kept_back()
    )


def crane(asked: Asked) -> Behaviour:
    """Crane, ko, kaniko, Flux, cosign: the whole repository, then, if it has nothing, the host."""
    # It spells Docker Hub its own way (go-containerregistry, pkg/name and pkg/authn).
    registry = _CRANE_HUB if asked.hub else asked.reference.registry
    repository = f"{registry}/{asked.reference.repository}"
    first = tuple(Attempt(c, repository) for c in asked.resolved()[:1])
    if first:
        return Behaviour(first, anonymous=False, notes=asked.kept_back())
    if failed := [c for c in asked.covering() if c.id in asked.failing]:
        fails = _FAILS.format(failed[0].name)
        return Behaviour((), anonymous=False, notes=(fails, *asked.kept_back()))
    found = _by_host(asked, _server_url(asked))
    again = f"asked for {repository}: none, so crane asks again by host alone"
    return Behaviour(found.tried, found.anonymous, (again, *found.notes, *asked.kept_back()))


def _server_url(asked: Asked) -> str:
    return HUB_SERVER_URL if asked.hub else asked.reference.registry


def _by_host(asked: Asked, server: str) -> Behaviour:
    choice = choose_for_host(asked.caller, asked.at_registry)
    tried = tuple(Attempt(c, server) for c in asked.live(choice.logins)[:1])
    notes = [] if choice.rule == "none" else [f"asked for {server}: {choice.rule}"]
    if any(not asked.covers(attempt.candidate) for attempt in tried):
        notes.append("the login that host alone leads to is not scoped to this image")
    if not tried and (wide := asked.too_wide()):
        notes.append(_TOO_WIDE.format(", ".join(wide), asked.reference.registry))
    failed = [c for c in choice.logins if c.id in asked.failing]
    if failed and not tried:
        notes.append(_FAILS.format(failed[0].name))
    return Behaviour(tried, anonymous=not tried and not failed, notes=tuple(notes))
