"""Kubernetes' own rule for which pull secrets an image gets, order included.

This is not regcred's matching: it is the kubelet's (pkg/credentialprovider/keyring.go), kept so
that `explain` can say what a node will do. Its trap is the one regcred avoids: a key's path is a
plain string prefix, so `quay.io/core` matches `quay.io/coreos/etcd`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import unquote_to_bytes

_DEFAULT_KEY = "index.docker.io"
_SCHEMES = ("https://", "http://")
# What net/url lets stand in a host: everything but what it would have to escape there.
_HOST = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"\x80-\U0010ffff]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class _Location:
    """A URL's host and path, as Go's net/url would split them."""

    host: str
    path: str


def lookup(keys: list[str], image: str) -> list[str]:
    """Return the `keys`, verbatim, that a kubelet tries for `image`, in its order.

    Keys that normalise to the same entry keep the order in which they were given. A key that
    Go's URL parser refuses is ignored, as the kubelet ignores it.
    """
    index: dict[str, list[str]] = {}
    for key in keys:
        normal = _normalise(key)
        if normal is not None:
            index.setdefault(normal, []).append(key)

    target = _parse("https://" + image)
    found: list[str] = []
    if target is not None:
        # Reverse byte order: longer before its own prefix, letters before `*`.
        for normal in sorted(index, key=lambda n: n.encode(), reverse=True):
            pattern = _parse("https://" + normal)
            if pattern is not None and _matches(pattern, target):
                found += index[normal]
    if not found and _default_registry(image):
        found = list(index.get(_DEFAULT_KEY, []))
    return found


def _normalise(key: str) -> str | None:
    location = _parse(key if key.startswith(_SCHEMES) else "https://" + key)
    if location is None:
        return None
    path = location.path
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    return location.host + ("" if path == "/" else path)


def _parse(url: str) -> _Location | None:
    """Split a URL as Go 1.15's net/url does, or return None where it reports an error."""
    if _CONTROL.search(url):
        return None
    rest = url.partition("://")[2].partition("#")[0].partition("?")[0]
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    if not _HOST.match(host) or not _valid_port(host) or _BAD_ESCAPE.search(path):
        return None
    return _Location(host, unquote_to_bytes(slash + path).decode("utf-8", "surrogateescape"))


def _valid_port(host: str) -> bool:
    if host.startswith("["):
        literal, bracket, tail = host.rpartition("]")
        return bool(bracket) and "[" not in literal[1:] and bool(re.match(r"(:[0-9]*)?\Z", tail))
    _, colon, tail = host.rpartition(":")
    return not colon or bool(re.match(r"[0-9]*\Z", tail))


def _split_host(host: str) -> tuple[list[str], str]:
    """Split into dot-separated labels and a port, as net.SplitHostPort would."""
    if host.startswith("["):
        literal, _, tail = host.partition("]")
        if tail.startswith(":"):
            return literal[1:].split("."), tail[1:]
        return host.split("."), ""
    name, colon, port = host.rpartition(":")
    if not colon or ":" in name:
        return host.split("."), ""
    return name.split("."), port


def _matches(pattern: _Location, target: _Location) -> bool:
    wanted, wanted_port = _split_host(pattern.host)
    labels, port = _split_host(target.host)
    return (
        wanted_port == port
        and len(wanted) == len(labels)
        and target.path.startswith(pattern.path)
        and all(fnmatchcase(label, w) for w, label in zip(wanted, labels, strict=True))
    )


def _default_registry(image: str) -> bool:
    first, slash, _ = image.partition("/")
    if not first:
        return False
    return not slash or first in {"docker.io", _DEFAULT_KEY} or not set(first) & set(".:")
