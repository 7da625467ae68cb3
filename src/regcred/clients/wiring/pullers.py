"""The clients of this machine that look for logins themselves, each with the files it reads."""

from __future__ import annotations

from dataclasses import dataclass

from regcred.clients.wiring.containers_auth import (
    Place,
    auth_places,
    conf_helpers,
    containers_lookup,
)
from regcred.clients.wiring.docker_config import DockerConfig, crane_lookup, docker_lookup
from regcred.clients.wiring.json_object import Broken
from regcred.clients.wiring.lookup import File, Kind, Lookup, Step
from regcred.clients.wiring.machine import Machine

PULLERS = ("docker", "podman", "buildah", "skopeo", "crane")

# Since when a client reads no other file beside one that it was named (containers/image 5.24).
_NAMED_ALONE = {"podman": (4, 4), "buildah": (1, 29), "skopeo": (1, 11)}
_READS_VARIABLE = (28, 3)
_READS_LEGACY_NO_MORE = (23,)
"""Since when docker reads no .dockercfg where it has no config.json."""


@dataclass(frozen=True, slots=True)
class ContainersFiles:
    """What podman, buildah or skopeo reads."""

    places: tuple[tuple[Place, File], ...]
    helpers: tuple[str, ...]
    conf: str
    """The registries.conf that names the helpers, "" for none."""

    fault: str = ""
    """Why registries.conf cannot be understood, which ends every pull."""


@dataclass(frozen=True, slots=True)
class Puller:
    """One client as it is set up here."""

    name: str
    installed: bool
    reads: DockerConfig | ContainersFiles
    variable: str | None = None
    """DOCKER_AUTH_CONFIG, where it is set and this client reads it."""

    variable_unread: bool = False
    """Whether it is set and this client is too old to read it."""

    default_store: str = ""

    def lookup(self, repository: str) -> Lookup:
        """Return how it looks for the login of a repository, `HOST/PATH` or a host alone."""
        if isinstance(self.reads, ContainersFiles):
            if self.reads.fault:
                step = Step(Kind.broken, self.reads.conf, why=self.reads.fault)
                return Lookup((step,), strict=True)
            return containers_lookup(
                self.reads.places, self.reads.helpers, repository, self.reads.conf
            )
        if self.name == "crane":
            return crane_lookup(self.reads, repository)
        registry = repository.partition("/")[0]
        return docker_lookup(
            self.reads, registry, variable=self.variable, default_store=self.default_store
        )


def pullers(machine: Machine) -> list[Puller]:
    """Return every client that is known, installed or not, with what it reads here."""
    return [puller_of(machine, name) for name in PULLERS]


def docker_file(machine: Machine) -> str:
    """Return where docker keeps its configuration."""
    return f"{machine.env.get('DOCKER_CONFIG') or f'{machine.home}/.docker'}/config.json"


def conf_files(machine: Machine, *, podman: bool) -> list[str]:
    """Return registries.conf and its drop-ins, in the order in which they are read.

    The user's file keeps the machine's from being read, drop-ins included.
    """
    users = f"{machine.home}/.config/containers/registries.conf"
    named = machine.env.get("CONTAINERS_REGISTRIES_CONF", "") if podman else ""
    system = "/etc/containers/registries.conf"
    drops = [f"{users}.d"]
    if named:
        main, drops = named, [f"{system}.d", *drops]
    elif machine.at(users).exists():
        main = users
    else:
        main, drops = system, [f"{system}.d", *drops]
    names = [f"{d}/{name}" for d in drops for name in machine.names(d) if name.endswith(".conf")]
    return [main, *names]


def puller_of(machine: Machine, name: str) -> Puller:
    """Return one client of PULLERS, installed or not, with what it reads here."""
    installed = machine.program(name) is not None
    version = machine.version(name) if installed else ()
    if name == "docker":
        config = _dockers(machine, version)
        known = not version or version >= _READS_VARIABLE
        variable = machine.env.get("DOCKER_AUTH_CONFIG") or None
        unread = variable is not None and not known
        store = _platform_store(machine)
        return Puller(name, installed, config, variable if known else None, unread, store)
    if name == "crane":
        return Puller(name, installed, DockerConfig.read(machine.file(_cranes(machine))))
    podman = name != "skopeo"
    alone = not version or version >= _NAMED_ALONE[name]
    places = auth_places(machine.env, machine.home, machine.uid, podman=podman, named_alone=alone)
    files = tuple((place, machine.file(place.path)) for place in places)
    confs = [machine.file(path) for path in conf_files(machine, podman=podman)]
    try:
        helpers, conf = conf_helpers(confs)
    except Broken as why:
        return Puller(name, installed, ContainersFiles(files, (), confs[0].path, str(why)))
    return Puller(name, installed, ContainersFiles(files, tuple(helpers), conf))


def _dockers(machine: Machine, version: tuple[int, ...]) -> DockerConfig:
    file = machine.file(docker_file(machine))
    legacy = machine.file(f"{machine.home}/.dockercfg")
    if not file.found and legacy.found and () < version < _READS_LEGACY_NO_MORE:
        return DockerConfig.read_legacy(legacy)
    return DockerConfig.read(file)


def _cranes(machine: Machine) -> str:
    """Return the one file that crane reads: docker's if there is one, else podman's."""
    docker = docker_file(machine)
    usual = f"{machine.home}/.docker/config.json"
    if machine.at(docker).is_file() or machine.at(usual).is_file():
        return docker
    podmans = [
        machine.env.get("REGISTRY_AUTH_FILE", ""),
        f"{machine.env.get('XDG_RUNTIME_DIR', '')}/containers/auth.json",
    ]
    return next((p for p in podmans if p and machine.at(p).is_file()), docker)


def _platform_store(machine: Machine) -> str:
    """Return the helper that docker takes by itself on Linux, "" if it is not installed."""
    store = "pass" if machine.program("pass") else "secretservice"
    return store if machine.program(f"docker-credential-{store}") else ""
