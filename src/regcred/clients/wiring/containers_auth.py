"""podman's, buildah's and skopeo's files of logins, by the rules of containers/image.

They differ from docker's: several files are searched, `auths` knows namespaces by whole path
components, a helper is asked by host alone, `credsStore` does not count, and a file that cannot be
read or a helper that fails ends the pull even of a public image.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from regcred.clients.wiring.docker_config import host_of
from regcred.clients.wiring.json_object import Broken, object_map, read_object, text, text_map
from regcred.clients.wiring.lookup import File, Kind, Lookup, Step, components, stored_user

AUTH_FILES = "containers-auth.json"
"""What registries.conf calls the files, among the names of helpers."""

_HUB_NAMES = {"docker.io", "registry-1.docker.io"}


@dataclass(frozen=True, slots=True)
class Place:
    """A file that is searched."""

    path: str
    legacy: bool = False
    """Whether it is a .dockercfg: entries alone, named by URLs."""

    needed: bool = False
    """Whether podman stops where it is missing, because a variable names it."""


def auth_places(
    env: Mapping[str, str], home: str, uid: int, *, podman: bool, named_alone: bool
) -> list[Place]:
    """Return the files that are searched, in order.

    `podman` (and buildah) takes DOCKER_CONFIG's file for a named one, skopeo does not.
    `named_alone`: since containers/image 5.24 a named file keeps the others from being read.
    """
    named = env.get("REGISTRY_AUTH_FILE", "")
    docker = env.get("DOCKER_CONFIG", "")
    if podman and not named and docker:
        named = f"{docker}/config.json"
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/containers/{uid}"
    # Below XDG_RUNTIME_DIR there is a folder for them; /run/containers/UID is theirs already.
    inside = "/containers" if env.get("XDG_RUNTIME_DIR") else ""
    first = Place(named, needed=podman) if named else Place(f"{runtime}{inside}/auth.json")
    if named and named_alone:
        return [first]
    config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return [
        first,
        Place(f"{config}/containers/auth.json"),
        Place(f"{docker or f'{home}/.docker'}/config.json"),
        Place(f"{home}/.dockercfg", legacy=True),
    ]


def persistent_auth_file(env: Mapping[str, str], home: str) -> str:
    """Return the file for logins that outlast the session: what is installed goes there."""
    config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return env.get("REGISTRY_AUTH_FILE") or f"{config}/containers/auth.json"


def containers_lookup(
    files: Sequence[tuple[Place, File]], helpers: Sequence[str], repository: str, conf: str
) -> Lookup:
    """Return how podman, buildah and skopeo look for a repository's login.

    `helpers` are registries.conf's, in order; `conf` is the file that says so.
    """
    steps: list[Step] = []
    for part, helper in enumerate(helpers):
        if helper == AUTH_FILES:
            steps += (_of_part(step, part) for step in _in_files(files, repository))
        else:
            registry = repository.partition("/")[0]
            steps.append(Step(Kind.helper, conf, registry, helper, part=part))
    return Lookup(tuple(steps), strict=True)


def conf_helpers(texts: Iterable[File]) -> tuple[list[str], str]:
    """Return what registries.conf and its drop-ins say about helpers, and which file says it.

    The last file that names any counts. Raise Broken.
    """
    named, path = [AUTH_FILES], ""
    for file in texts:
        if file.fault:
            raise Broken(f"{file.path} {file.fault}")
        try:
            listed = tomllib.loads(file.text or "").get("credential-helpers")
        except tomllib.TOMLDecodeError:
            raise Broken(f"{file.path} is not TOML") from None
        if listed is None or listed == []:
            continue
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise Broken(f"{file.path}: credential-helpers is not a list of texts")
        named, path = listed, file.path
    return named, path


def _of_part(step: Step, part: int) -> Step:
    return Step(step.kind, step.file, step.key, step.helper, step.why, part)


def _in_files(files: Sequence[tuple[Place, File]], repository: str) -> list[Step]:
    steps: list[Step] = []
    for place, file in files:
        if file.fault or (file.text is None and place.needed):
            why = (
                file.fault or "is not there, and podman stops where a file it was named is missing"
            )
            return [*steps, Step(Kind.broken, place.path, why=why)]
        if file.text is None:
            continue
        try:
            step = _in_file(place, file.text, repository)
        except Broken as why:
            return [*steps, Step(Kind.broken, place.path, why=str(why))]
        if step is not None:
            steps.append(step)
            if step.kind is Kind.stored:
                break
    return steps


def _in_file(place: Place, content: str, repository: str) -> Step | None:
    registry = repository.partition("/")[0]
    found = read_object(content)
    entries = object_map({"auths": found}, "auths") if place.legacy else object_map(found, "auths")
    for entry in entries.values():
        text(entry, "auth")
    if not place.legacy and registry in (helpers := text_map(found, "credHelpers")):
        return Step(Kind.helper, place.path, registry, helpers[registry])
    exact = [registry] if place.legacy else components(repository)
    by_host = [n for n in entries if _normalised(n, legacy=place.legacy) == _hub(registry)]
    name = next((n for n in (*exact, *by_host) if n in entries), None)
    if name is None or not stored_user(entries[name]):
        return None
    return Step(Kind.stored, place.path, name)


def _normalised(name: str, *, legacy: bool) -> str:
    bare = name.removeprefix("http://").removeprefix("https://")
    if legacy or bare != name:
        bare = host_of(bare)
    return _hub(bare)


def _hub(registry: str) -> str:
    return "index.docker.io" if registry in _HUB_NAMES else registry
