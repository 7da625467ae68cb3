"""A login as it was found somewhere else, and an entry from which none can be made.

The one thing you would get wrong: a registry's key is spelt in many ways. `place` brings them to
the one that regcred's scopes have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

HUB = "docker.io"
IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  docker's mark for an identity token, not a secret

_HUB_HOSTS = {HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_SESSION_KEYS = {f"https://index.docker.io/v1/{one}-token" for one in ("access", "refresh")}
SESSION = "docker's own session: store an access token"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.*-]+)(:[0-9]{1,5})?\Z")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(/{_COMPONENT})*\Z")
_MAX_KEY = 2048
_MAX_SECRET = 16 * 1024

# What a cloud's own program wrote for a few hours: (registry, user, what to store instead).
_SHORT_LIVED = (
    (re.compile(r"\.dkr\.ecr\."), "AWS", "a token of 12 hours: store an access key (ecr)"),
    (
        re.compile(r"(^|\.)gcr\.io|\.pkg\.dev"),
        "oauth2accesstoken",
        "a token of one hour: store a service account's key (gcp)",
    ),
    (
        re.compile(r"\.azurecr\."),
        "00000000-0000-0000-0000-000000000000",
        "a token of three hours: store a repository token or a service principal (acr)",
    ),
)


class NotImportable(Exception):
    """Something from which no login can be made; its text says why and holds no value."""


class Source(NamedTuple):
    """Where an entry stood: a file, a Secret, an account; and its key there."""

    where: str
    key: str


@dataclass(frozen=True, slots=True)
class Found:
    """A login that can be stored. The secret never shows in a repr."""

    registry: str
    """`host[:port][/path]` in one spelling; "" for one that is used by its name alone."""

    username: str
    secret: str = field(repr=False)
    source: Source
    name: str = ""
    """What it is called already; "" if a name is still to be made."""

    provider: str = ""
    """The registry's family, where the source says one."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry from which no login is made."""

    source: Source
    why: str
    broken: bool = True
    """Whether something is wrong with it; otherwise there is nothing in it to import."""


def place(key: str, *, paths_after_scheme: bool) -> str:
    """Return a registry's key in one spelling; Docker Hub's are one. Raise NotImportable.

    kubelet minds the path of `https://host/path`; docker and podman read the host alone.
    """
    if not key.isascii() or not key.isprintable() or len(key) > _MAX_KEY:
        raise NotImportable("its key is no registry")
    scheme, mark, rest = key.partition("://")
    if mark and scheme.lower() not in {"http", "https"}:
        raise NotImportable("its key is no registry")
    authority, _, path = (rest if mark else key).partition("/")
    host = authority.lower().removesuffix(":443")
    if "@" in authority or not _HOST.match(host):
        raise NotImportable("its key is no registry: HOST[:PORT][/PATH]")
    if any("*" in label != "*" for label in host.partition(":")[0].split(".") if "*" in label):
        raise NotImportable("a * in its key stands for less than a whole label of the host")
    if host in _HUB_HOSTS:
        host = HUB
    path = re.sub(r"\Av[12](/|\Z)", "", path.strip("/"))
    if not path or (mark and not paths_after_scheme):
        return host
    if not _PATH.match(path):
        raise NotImportable("its key's path is no repository's: a-z 0-9 . _ - /")
    return f"{host}/{path}"


def session_of_docker(key: str) -> bool:
    """Whether docker keeps its own session at Docker Hub there (`docker login` by browser).

    Beside the login itself, which stands under Hub's usual key.
    """
    return key in _SESSION_KEYS


def usable(found: Found) -> Found:
    """Return a login that a registry could take. Raise NotImportable."""
    if not found.username or not found.secret:
        raise NotImportable("it has no user name" if found.secret else "it has no password")
    if "\0" in found.secret or len(found.secret.encode(errors="replace")) > _MAX_SECRET:
        raise NotImportable("its password holds a NUL or is longer than 16 KiB")
    if ":" in found.username or not found.username.isprintable():
        raise NotImportable("its user name holds a colon or is not printable")
    return found


def short_lived(found: Found) -> str:
    """Return what to store instead of a login that ends within hours; "" if it is none."""
    for registry, username, instead in _SHORT_LIVED:
        if found.username == username and registry.search(found.registry):
            return instead
    return ""
