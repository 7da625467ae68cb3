"""docker's config.json, by the rules of docker's own code and of crane, which is built on it.

Keys of credHelpers are compared whole: no patterns, no paths. Where a helper
has nothing the pull is anonymous, even with a login for the registry in `auths`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regcred.clients.wiring.hub import HUB, HUB_URL
from regcred.clients.wiring.json_object import Broken, Json, object_map, read_object, text, text_map
from regcred.clients.wiring.lookup import File, Kind, Lookup, Step, stored_user

_LOGIN_FIELDS = ("username", "password", "auth", "identitytoken", "registrytoken")
_VARIABLE = "DOCKER_AUTH_CONFIG"
DEFAULT = "docker's own default"
"""What stands for a file where docker takes its platform's store without being told."""

_BAD_AUTH = "an entry's auth is not USER:PASSWORD in base64"


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """The parts of a config.json that decide about logins."""

    path: str
    helpers: Mapping[str, str]
    store: str
    auths: Mapping[str, Json]
    broken: str = ""
    """Why docker warns about the file and leaves its stored logins alone."""

    @classmethod
    def read(cls, file: File) -> DockerConfig:
        """Return what docker takes from a file: of one that is broken it uses nothing."""
        if file.text is None:
            return cls(file.path, {}, "", {}, file.fault)
        try:
            found = read_object(file.text, trailing=True)
            helpers, store = text_map(found, "credHelpers"), text(found, "credsStore")
            auths = object_map(found, "auths")
        except Broken as why:
            return cls(file.path, {}, "", {}, str(why))
        return cls._with_auths(file.path, helpers, store, auths)

    @classmethod
    def read_legacy(cls, file: File) -> DockerConfig:
        """Return what a docker before 23 takes from a .dockercfg: stored logins alone."""
        try:
            auths = object_map({"auths": read_object(file.readable(), trailing=True)}, "auths")
        except Broken as why:
            return cls(file.path, {}, "", {}, str(why))
        return cls._with_auths(file.path, {}, "", auths)

    @classmethod
    def _with_auths(
        cls, path: str, helpers: Mapping[str, str], store: str, auths: Mapping[str, Json]
    ) -> DockerConfig:
        try:
            bad = any(text(entry, "auth") and not stored_user(entry) for entry in auths.values())
        except Broken:
            bad = True
        if bad:
            return cls(path, helpers, store, {}, _BAD_AUTH)
        return cls(path, helpers, store, auths)

    @property
    def holds_auth(self) -> bool:
        """Whether docker leaves its platform's own store alone because of this file."""
        return bool(self.helpers or self.store or self.auths)

    def helper_for(self, key: str) -> str:
        """Return the suffix of the helper that is asked about a key, "" for none."""
        return self.helpers.get(key) or self.store

    def entry_for(self, key: str) -> str | None:
        """Return the name of the entry in `auths` that holds a login for a key."""
        names = [key] if key in self.auths else [n for n in self.auths if host_of(n) == key]
        return next((n for n in names if _holds_login(self.auths[n])), None)


def docker_key(registry: str) -> str:
    """Return what docker and crane call a registry, as image references name it."""
    return HUB_URL if registry == HUB else registry


def host_of(name: str) -> str:
    """Return the host of an entry's name, as docker compares it."""
    scheme, mark, rest = name.partition("://")
    bare = rest if mark and scheme in {"http", "https"} else name
    return bare.partition("/")[0]


def docker_lookup(
    config: DockerConfig, registry: str, *, variable: str | None = None, default_store: str = ""
) -> Lookup:
    """Return how docker looks for a registry's login.

    `variable` is DOCKER_AUTH_CONFIG, None where it is not set or this docker does not know it;
    `default_store` the helper that docker takes by itself when the file says nothing.
    """
    key = docker_key(registry)
    steps: list[Step] = []
    if variable is not None and (named := _in_variable(variable, key)) is not None:
        steps.append(named)
        if named.kind is Kind.stored:
            return Lookup(tuple(steps))
    if config.broken:
        steps.append(Step(Kind.broken, config.path, why=config.broken))
    steps += _in_config(config, key, default_store)
    return Lookup(tuple(steps))


def crane_lookup(config: DockerConfig, repository: str) -> Lookup:
    """Return how crane, ko, cosign and kaniko look: the whole repository first, then its host."""
    registry = repository.partition("/")[0]
    whole = f"index.{repository}" if registry == HUB else repository
    steps: list[Step] = []
    for key in (whole, docker_key(registry)):
        steps += _in_config(config, key, "")
        if steps and steps[-1].kind is Kind.stored:
            break
    if config.broken:
        return Lookup((Step(Kind.broken, config.path, why=config.broken),), strict=True)
    return Lookup(tuple(steps), strict=True)


def _in_config(config: DockerConfig, key: str, default_store: str) -> list[Step]:
    helper = config.helper_for(key)
    if default_store and not config.holds_auth:
        program = "pass" if default_store == "pass" else f"docker-credential-{default_store}"
        return [Step(Kind.helper, f"{DEFAULT} ({program} is on PATH)", key, default_store)]
    entry = config.entry_for(key)
    if helper:
        asked = Step(Kind.helper, config.path, key, helper)
        if entry is None:
            return [asked]
        # docker overwrites the entry's user and password by the helper's, and keeps its token.
        token = bool(config.auths[entry].get("registrytoken"))
        return [asked, Step(Kind.stored, config.path, entry, fallback=not token)]
    return [] if entry is None else [Step(Kind.stored, config.path, entry)]


def _in_variable(variable: str, key: str) -> Step | None:
    try:
        entries = object_map(read_object(variable), "auths")
        if key in entries and stored_user(entries[key]):
            return Step(Kind.stored, _VARIABLE, key)
    except Broken as why:
        return Step(Kind.broken, _VARIABLE, why=str(why))
    return None


def _holds_login(entry: Json) -> bool:
    return any(entry.get(name) for name in _LOGIN_FIELDS)
