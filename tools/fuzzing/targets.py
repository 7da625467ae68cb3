"""What is fuzzed, and what must hold of every input. A target raises if it does not."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx2

from regcred.adapters.registries.challenge import Malformed, parse_challenges
from regcred.adapters.registries.origins import Origin, ip_literal, parse_url
from regcred.domain.errors import InvalidInput, InvalidReference
from regcred.domain.registry import ImageReference, RegistryAddress, Scope


class Broken(Exception):
    """A property does not hold."""


class Planted(Exception):
    """The control's defect: to be found."""


def challenge(data: bytes) -> None:
    """Read challenges: they are refused, or hold nothing that the headers do not."""
    text = data.decode("latin-1")
    try:
        found = parse_challenges(text.split("\n"))
    except Malformed:
        return
    given = text.lower().replace("\\", "")
    for one in found:
        parts = [one.scheme, *(part for pair in one.parameters for part in pair)]
        if any(part.lower().replace("\\", "") not in given for part in parts):
            raise Broken("a challenge holds what no header said")
        if one.scheme != one.scheme.lower() or not one.scheme.isascii():
            raise Broken("a scheme is not in its one spelling")


def host(data: bytes) -> None:
    """Read URLs, addresses and scopes: what is taken has one spelling and one reader's meaning."""
    text = data.decode("utf-8", "replace")
    try:
        origin, target = parse_url(text)
    except ValueError:
        pass
    else:
        _one_meaning(origin, text, target)
    for kind in (RegistryAddress, Scope):
        try:
            taken = kind.parse(text, field="registry_url")
        except InvalidInput:
            continue
        if kind.parse(str(taken), field="registry_url") != taken:
            raise Broken(f"a {kind.__name__} is read otherwise than it is written")


def _one_meaning(origin: Origin, text: str, target: str) -> None:
    if Origin.parse(origin.authority, origin.scheme) != origin:
        raise Broken("an origin is read otherwise than it is written")
    readings = {urlsplit(text).hostname, httpx2.URL(text).host.lower()}
    if readings != {origin.host} or not httpx2.URL(text).raw_path.decode().startswith("/"):
        raise Broken(f"another parser finds {sorted(map(str, readings))}, and {target!r}")
    if ip_literal(origin.host) is None and ":" not in origin.host:
        try:
            socket.inet_aton(origin.host)
        except OSError:
            return
        raise Broken("the system's resolver would take a name for an address")


def reference(data: bytes) -> None:
    """Read image references: what is taken is read again as it is written."""
    text = data.decode("utf-8", "replace")
    try:
        taken = ImageReference.parse(text)
    except InvalidReference:
        return
    if ImageReference.parse(str(taken)) != taken:
        raise Broken("a reference is read otherwise than it is written")


def nothing(_data: bytes) -> None:
    """Plant nothing."""


def _kin(byte: bytes) -> frozenset[bytes]:
    """Return the eight bytes that agree with one in their lower five bits."""
    return frozenset(bytes([byte[0] % 32 + high]) for high in range(0, 256, 32))


_FIRST = tuple(map(_kin, (b"r", b"e", b"g", b"c", b"r")))


def _begins(data: bytes) -> bool:
    """Whether each of the first five bytes is one of eight, looked at only after the one before.

    Luck alone finds it once in 2^25 tries; a search that keeps what got further needs few.
    """
    return (
        data[0:1] in _FIRST[0]
        and data[1:2] in _FIRST[1]
        and data[2:3] in _FIRST[2]
        and data[3:4] in _FIRST[3]
        and data[4:5] in _FIRST[4]
    )


def defect(data: bytes) -> None:
    """Break on one kind of beginning."""
    if _begins(data):
        raise Planted


def hang(data: bytes) -> None:
    """Never come back from such a beginning."""
    while _begins(data):
        pass


SEEDS = {
    "challenge": (
        b'Bearer realm="https://auth.example/token",service="registry",scope="a:b:pull,push"',
        b'Basic realm="a \\"quoted\\" place", charset=UTF-8\nNegotiate YWJj==',
        b"Bearer realm=plain , Digest a=1,b = 2",
    ),
    "host": (
        b"https://registry.example.com:5000/v2/team/app?n=1",
        b"http://[2001:db8::1]:8080/token",
        b"*.dkr.ecr.eu-west-1.example/team",
        b"index.docker.io/v1/",
        b"https://203.0.113.9/",
        b"xn--bcher-kva.example:443",
    ),
    "reference": (
        b"registry.example.com:5000/team/app:v1.2_x@sha256:" + b"0123456789abcdef" * 4,
        b"library/redis",
        b"localhost/a__b/c-d.e:latest",
        b"[2001:db8::1]:5000/app",
    ),
}
"""Inputs that each parser takes: the search begins behind its first check."""

TARGETS = {"challenge": challenge, "host": host, "reference": reference}
PLANTS = {"": nothing, "defect": defect, "hang": hang}
