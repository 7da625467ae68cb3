"""Stores and images made up from a seed, and what they come to by the rules as design tells them.

Nothing here uses the service's own matching: what a face answers is compared with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

HOSTS = ("reg.example.com", "eu.example.com", "reg.example.com:5000", "docker.io")
PATTERNS = ("*.example.com", "reg.*.com", "*.example.com:5000")
PATHS = ("", "", "a", "a", "a/b", "a/b", "a/b/c", "ab", "library", "v1/a", "v2")
BELOW = ("", "/x", "/x", "/b", "/b/x", "/b/c/x", "s/x", "-x")
TAGS = ("", ":1", ":v1", f"@sha256:{'5' * 64}")


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A login as it was stored; later ones in a store are newer."""

    name: str
    registry: str
    path: str
    dead: bool
    token: bool
    """Whether its secret is an identity token."""

    written: str
    """Its registry_url: one of the spellings of the scope."""

    @property
    def username(self) -> str:
        return "<token>" if self.token else self.name

    @property
    def password(self) -> str:
        return f"password of {self.name}"

    def covers(self, registry: str, repository: str) -> bool:
        return _covers(f"{self.registry}/{self.path}".rstrip("/"), registry, repository)


@dataclass(frozen=True, slots=True)
class MadeUpStore:
    """Some logins, and the images that a key is narrowed to, if it is."""

    logins: tuple[MadeUp, ...]
    narrowed: tuple[str, ...]

    def for_image(self, registry: str, repository: str) -> list[MadeUp]:
        """Return the logins for an image, the best first."""
        if self.narrowed and not any(_covers(n, registry, repository) for n in self.narrowed):
            return []
        matching = [login for login in self.logins if login.covers(registry, repository)]
        return [login for login in _ranked(matching) if not login.dead]

    def receivable(self) -> list[MadeUp]:
        """Return the logins that the key may have whole."""
        if not self.narrowed:
            return list(self.logins)
        return [one for one in self.logins if any(_inside(one, n) for n in self.narrowed)]

    def for_host(self, registry: str) -> list[MadeUp]:
        """Return the logins for a question by host alone, the best first."""
        mine = [login for login in self.receivable() if _covers(login.registry, registry, "")]
        whole = [login for login in mine if not login.path]
        found = whole or (mine if len(mine) == 1 else [])
        return [login for login in _ranked(found) if not login.dead]


@dataclass(frozen=True, slots=True)
class MadeUpImage:
    """An image in one of its spellings."""

    registry: str
    repository: str
    written: str


def make_up_store(random: Random) -> MadeUpStore:
    """Return a store of up to nine logins that get into one another's way."""
    registries = [random.choice((*HOSTS, HOSTS[0])), random.choice((*HOSTS, *PATTERNS, *PATTERNS))]
    logins = tuple(_login(random, f"n{n}", registries) for n in range(random.randint(0, 9)))
    narrowed: tuple[str, ...] = ()
    if random.random() < 0.2:
        host = registries[0]
        narrowed = (f"{host}/{random.choice(PATHS)}".rstrip("/"),)
    return MadeUpStore(logins, narrowed)


def make_up_image(random: Random, store: MadeUpStore) -> MadeUpImage:
    """Return an image near one of the store's logins, or anywhere."""
    registry, path = random.choice(HOSTS), random.choice(PATHS)
    if store.logins and random.random() < 0.85:
        near = random.choice(store.logins)
        registry = next((h for h in HOSTS if _covers(near.registry, h, "")), registry)
        path = near.path
    below = random.choice(BELOW)
    repository = f"{path}{below}" if path else below.strip("/-") + "app"
    registries = [registry]
    if registry == "docker.io":
        repository = repository if "/" in repository else f"library/{repository}"
        registries = ["docker.io", "index.docker.io"]
    written = f"{random.choice(registries)}/{repository}"
    if registry == "docker.io" and random.random() < 0.5:
        written = repository.removeprefix("library/")
        written = repository if "/" in written else written
    return MadeUpImage(registry, repository, written + random.choice(TAGS))


def _login(random: Random, name: str, registries: Sequence[str]) -> MadeUp:
    registry, path = random.choice(registries), random.choice(PATHS)
    scheme = random.choice(("", "https://"))
    # With a scheme a leading v1/ or v2/ is the API's version and not a path.
    version = "v2/" if scheme and (path.startswith("v") or random.random() < 0.3) else ""
    written = f"{scheme}{registry}/{version}{path}".rstrip("/") + random.choice(("", "/"))
    dead, token = random.random() < 0.15, random.random() < 0.05
    return MadeUp(name, registry, path, dead, token, written)


def _ranked(logins: Sequence[MadeUp]) -> list[MadeUp]:
    """Exact host before pattern, longer path before shorter, newer before older."""
    newest_first = list(reversed(logins))
    return sorted(
        newest_first,
        key=lambda login: ("*" in login.registry, -len(login.path.split("/")) * bool(login.path)),
    )


def _covers(scope: str, registry: str, repository: str) -> bool:
    host, _, path = scope.partition("/")
    name, _, port = host.partition(":")
    wanted, _, wanted_port = registry.partition(":")
    ours, theirs = name.split("."), wanted.split(".")
    components = path.split("/") if path else []
    return (
        port == wanted_port
        and len(ours) == len(theirs)
        and all(o in ("*", t) for o, t in zip(ours, theirs, strict=True))
        and repository.split("/")[: len(components)] == components
    )


def _inside(login: MadeUp, pattern: str) -> bool:
    """Whether everything that the login is for lies in what the key is narrowed to."""
    return "*" not in login.registry and _covers(pattern, login.registry, login.path)
