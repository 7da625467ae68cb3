"""Which registries' logins come from where, client by client: what `docker status` tells."""

from __future__ import annotations

from dataclasses import dataclass

from regcred.clients.wiring.containers_auth import AUTH_FILES
from regcred.clients.wiring.docker_config import DockerConfig, host_of
from regcred.clients.wiring.hub import HUB, REFERENCE_NAMES
from regcred.clients.wiring.json_object import Broken, object_map, read_object, text_map
from regcred.clients.wiring.lookup import File, Kind, Step
from regcred.clients.wiring.pullers import ContainersFiles, Puller

REGCRED = "regcred"
EVERY = "every registry"
"""What stands for the registries that no file names."""

_NOWHERE = "registry.invalid"


@dataclass(frozen=True, slots=True)
class Route:
    """Where the logins for one registry come from."""

    registry: str
    through: str
    """The first that is asked, in words."""

    file: str
    """The file that decides it."""

    helper: str
    """The suffix of the helper that is asked first, "" where none is."""

    notes: tuple[str, ...] = ()

    @property
    def regcred(self) -> bool:
        """Whether regcred's helper is asked first."""
        return self.helper == REGCRED


def routes(puller: Puller) -> list[Route]:
    """Return a client's routes: each registry that its files name, and all others."""
    named = sorted(_named(puller))
    found = [route for name in named if (route := _route(puller, name, name)) is not None]
    every = _route(puller, _NOWHERE, EVERY)
    return found if every is None else [*found, every]


def registry_name(name: str) -> str:
    """Return a key of credHelpers or auths as image references name its registry or namespace."""
    bare = host_of(name) if "://" in name else name
    return HUB if bare in REFERENCE_NAMES else bare


def _route(puller: Puller, repository: str, shown: str) -> Route | None:
    lookup = puller.lookup(repository)
    if not lookup.steps:
        return None
    first, *later = lookup.steps
    ours = first.kind is Kind.helper and first.helper == REGCRED
    notes = [*_unused(puller, first)]
    if not ours:
        behind = [s for s in _behind(puller, repository, later) if s.helper == REGCRED]
        notes += [f"it comes before regcred, which {step.file} names" for step in behind[:1]]
    return Route(shown, _told(first), first.file, first.helper, tuple(notes))


def _told(step: Step) -> str:
    if step.kind is Kind.helper:
        return f"docker-credential-{step.helper}"
    if step.kind is Kind.stored:
        return f"a login stored in {step.file}"
    return f"nothing: {step.file}: {step.why}"


def _unused(puller: Puller, first: Step) -> list[str]:
    """Return which stored login a helper keeps from being used."""
    if first.kind is not Kind.helper or not isinstance(puller.reads, DockerConfig):
        return []
    entry = puller.reads.entry_for(first.key)
    return [] if entry is None else [f"the login for it in auths of {first.file} is not used"]


def _behind(puller: Puller, repository: str, later: list[Step]) -> list[Step]:
    """Return what would be asked if what comes first were not there."""
    if not isinstance(puller.reads, ContainersFiles):
        return later
    registry = repository.partition("/")[0]
    helpers = [
        Step(Kind.helper, puller.reads.conf, registry, name)
        for name in puller.reads.helpers
        if name != AUTH_FILES
    ]
    for _, file in puller.reads.places:
        suffix = _cred_helpers(file).get(registry)
        if suffix:
            helpers.append(Step(Kind.helper, file.path, registry, suffix))
    return helpers


def _named(puller: Puller) -> set[str]:
    if isinstance(puller.reads, DockerConfig):
        names = {*puller.reads.helpers, *puller.reads.auths}
    else:
        names = set()
        for _, file in puller.reads.places:
            names |= {*_cred_helpers(file), *_auths(file)}
    return {registry_name(name) for name in names}


def _cred_helpers(file: File) -> dict[str, str]:
    try:
        return text_map(read_object(file.text or "{}"), "credHelpers")
    except Broken:
        return {}


def _auths(file: File) -> set[str]:
    try:
        return set(object_map(read_object(file.text or "{}"), "auths"))
    except Broken:
        return set()
