"""Kubernetes' own rule for which pull secrets an image gets, order included.

This is not regcred's matching: it is the kubelet's (pkg/credentialprovider/keyring.go), kept so
that `explain` can say what a node will do. Its trap is the one regcred avoids: a key's path is a
plain string prefix, so `quay.io/core` matches `quay.io/coreos/etcd`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_DEFAULT_KEY = b"index.docker.io"
_SCHEMES = (b"https://", b"http://")

# What net/url takes, in bytes as Go has its strings. A host may escape only what is not ASCII,
# and the percent sign (RFC 6874); a zone may also escape what may stand in a host, and a space.
_IN_HOST = rb"A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"\x80-\xff"
_HOST = re.compile(rb"(?:[" + _IN_HOST + rb"]|%25|%[89A-Fa-f][0-9A-Fa-f])*\Z")
_ZONE = re.compile(rb"(?:[" + _IN_HOST + rb"]|%[0-9A-Fa-f]{2})*\Z")
_ZONE_ESCAPES = re.compile(rb"[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\" %]*\Z")
_USERINFO = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*\Z")
_OPTIONAL_PORT = re.compile(rb"(?::[0-9]*)?\Z")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_STAR = ord("*")
_CLASS = ord("[")
_NO_RUNE = 0xFFFD
_LONGEST_RUNE = 4

_Ranges = tuple[tuple[int, int], ...]
"""What a `[` class takes: runes from the first to the last of each pair."""


@dataclass(frozen=True, slots=True)
class _Location:
    """A URL's host and path, unescaped, as Go's net/url would split them."""

    host: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What a key matches at its port, and at hosts of as many labels."""

    labels: list[bytes]
    path: bytes
    keys: list[str]

    def matches(self, labels: list[bytes], path: bytes) -> bool:
        """Whether an image of so many labels lies in it."""
        return path.startswith(self.path) and all(map(_glob, self.labels, labels))


class Index:
    """Keys, read once for any number of images."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Take keys; one that Go's URL parser refuses is ignored, as the kubelet ignores it."""
        self._keys: defaultdict[bytes, list[str]] = defaultdict(list)
        for key in keys:
            normal = _normalise(_bytes(key))
            if normal is not None:
                self._keys[normal].append(key)
        self._patterns: defaultdict[tuple[bytes, int], list[_Pattern]] = defaultdict(list)
        # Reverse byte order: longer before its own prefix, letters before `*`.
        for normal in sorted(self._keys, reverse=True):
            # Read a second time, as the kubelet does: what was escaped twice is unescaped twice.
            location = _parse(b"https://" + normal)
            if location is not None:
                labels, port = _split_host(location.host)
                pattern = _Pattern(labels, location.path, self._keys[normal])
                self._patterns[port, len(labels)].append(pattern)

    def lookup(self, image: str) -> list[str]:
        """Return the keys, verbatim, that a kubelet tries for `image`, in its order.

        Keys that normalise to the same entry keep the order in which they were given.
        """
        target = _parse(b"https://" + _bytes(image))
        found: list[str] = []
        if target is not None:
            labels, port = _split_host(target.host)
            for pattern in self._patterns.get((port, len(labels)), ()):
                if pattern.matches(labels, target.path):
                    found += pattern.keys
        if not found and _default_registry(image):
            found = list(self._keys.get(_DEFAULT_KEY, ()))
        return found


def lookup(keys: Iterable[str], image: str) -> list[str]:
    """Return the `keys` that a kubelet tries for one image; see Index."""
    return Index(keys).lookup(image)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _normalise(key: bytes) -> bytes | None:
    location = _parse(key if key.startswith(_SCHEMES) else b"https://" + key)
    if location is None:
        return None
    path = location.path
    if path.startswith((b"/v1/", b"/v2/")):
        path = path[3:]
    return location.host + (b"" if path == b"/" else path)


def _parse(url: bytes) -> _Location | None:
    """Split an http(s) URL as Go's net/url does, or return None where it reports an error."""
    url, _, fragment = url.partition(b"#")
    rest = url.partition(b"://")[2].partition(b"?")[0]
    authority, slash, path = rest.partition(b"/")
    userinfo, _, host = authority.rpartition(b"@")
    if (
        _CONTROL.search(url)
        or not _USERINFO.match(userinfo)
        or any(_BAD_ESCAPE.search(part) for part in (userinfo, path, fragment))
        or not _valid_host(host)
    ):
        return None
    return _Location(unquote_to_bytes(host), unquote_to_bytes(slash + path))


def _valid_host(host: bytes) -> bool:
    if host.startswith(b"["):
        literal, bracket, port = host.rpartition(b"]")
        address, mark, zone = literal.partition(b"%25")
        escaped = b"".join(map(unquote_to_bytes, _ESCAPE.findall(mark + zone)))
        return bool(
            bracket
            and _OPTIONAL_PORT.match(port)
            and _HOST.match(address)
            and _ZONE.match(zone)
            and _ZONE_ESCAPES.match(escaped)
        )
    _, colon, port = host.rpartition(b":")
    return bool(_HOST.match(host) and (not colon or _OPTIONAL_PORT.match(colon + port)))


def _split_host(host: bytes) -> tuple[list[bytes], bytes]:
    """Split into dot-separated labels and a port; what net.SplitHostPort refuses has no port."""
    name, colon, port = host.rpartition(b":")
    bare = name[1:-1] if name.startswith(b"[") and name.endswith(b"]") else name
    bracketed = bare is not name
    if not colon or any(c in bare + port for c in b"[]") or (b":" in bare and not bracketed):
        return host.split(b"."), b""
    return bare.split(b"."), port


def _glob(pattern: bytes, label: bytes) -> bool:
    """Match as Go's filepath.Match: `*`, and `[` classes; a broken pattern matches nothing.

    As there, all but a class is compared byte by byte, so that a `*` may end inside a character.
    What else that function reads (`?`, `^`, a backslash) cannot stand in a host.
    """
    if b"*" not in pattern and b"[" not in pattern:
        return pattern == label
    chunks = _chunks(pattern)
    if chunks is None:
        return False
    first, *others = chunks
    at = _eat(first, label, 0)
    if not others:
        return at == len(label)
    *middle, last = others
    for chunk in middle:
        if at is not None:
            ends = (_eat(chunk, label, start) for start in range(at, len(label) + 1))
            at = next((end for end in ends if end is not None), None)
    if at is None:
        return False
    return any(_eat(last, label, start) == len(label) for start in range(at, len(label) + 1))


def _chunks(pattern: bytes) -> list[list[int | _Ranges]] | None:
    """Split a pattern at its stars, into bytes and classes; None: it is broken."""
    chunks: list[list[int | _Ranges]] = [[]]
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        at += 1
        if byte == _STAR:
            chunks.append([])
        elif byte == _CLASS:
            found = _character_class(pattern, at)
            if found is None:
                return None
            ranges, at = found
            chunks[-1].append(ranges)
        else:
            chunks[-1].append(byte)
    return chunks


def _character_class(pattern: bytes, at: int) -> tuple[_Ranges, int] | None:
    """Read a class that begins at `at`; return it and what follows, or None: it is broken."""
    ranges: list[tuple[int, int]] = []
    while not (ranges and pattern[at : at + 1] == b"]"):
        low = high = _member(pattern, at)
        if low is not None:
            at += low[1]
            if pattern[at : at + 1] == b"-":
                high = _member(pattern, at + 1)
                at += 1 + (high[1] if high else 0)
        if low is None or high is None:
            return None
        ranges.append((low[0], high[0]))
    return tuple(ranges), at + 1


def _member(pattern: bytes, at: int) -> tuple[int, int] | None:
    """Return a class's next character and its length, or None for what cannot be one."""
    if at >= len(pattern) or pattern[at] in b"-]":
        return None
    rune, length = _rune(pattern, at)
    return None if (rune, length) == (_NO_RUNE, 1) else (rune, length)


def _eat(chunk: list[int | _Ranges], label: bytes, at: int) -> int | None:
    """Return where in `label` the chunk ends if it stands at `at`."""
    for wanted in chunk:
        if at >= len(label):
            return None
        if isinstance(wanted, int):
            if label[at] != wanted:
                return None
            at += 1
        else:
            rune, length = _rune(label, at)
            if not any(low <= rune <= high for low, high in wanted):
                return None
            at += length
    return at


def _rune(text: bytes, at: int) -> tuple[int, int]:
    """Decode one character as Go does: a byte that is no UTF-8 is U+FFFD of length 1."""
    for length in range(1, _LONGEST_RUNE + 1):
        try:
            return ord(text[at : at + length].decode()), length
        except UnicodeDecodeError:
            continue
    return _NO_RUNE, 1


def _default_registry(image: str) -> bool:
    first, slash, _ = image.partition("/")
    if not first:
        return False
    return not slash or first in {"docker.io", "index.docker.io"} or not set(first) & set(".:")
