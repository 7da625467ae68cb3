"""Where a request goes: scheme, host and port, parsed once and never parsed again.

The one thing you would get wrong: a host has exactly one spelling here. Everything that one
parser reads as a name and another as an address (decimal, octal, hex, short, full-width, zone
ids, percent signs, trailing dots) is refused instead of translated.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

_DEFAULT_PORTS = {"https": 443, "http": 80}
_MAX_URL = 2048
_MAX_HOST = 253
_MAX_PORT = 65535
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
# What RFC 3986 lets stand in a path and a query; no fragment, no backslash, no brackets.
_TARGET = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*\Z")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def canonical_host(text: str) -> str:
    """Return a host in lower case, an IPv6 literal without its brackets.

    An LDH name whose last label begins with a letter, or an IP literal in canonical spelling.
    Raise ValueError, which never repeats the text.
    """
    host = text.lower() if text.isascii() else ""
    literal = ip_literal(host)
    if literal is not None:
        return host
    labels = host.split(".")
    if (
        len(host) > _MAX_HOST
        or not all(_LABEL.match(label) for label in labels)
        or not labels[-1][0].isalpha()
    ):
        raise ValueError("not a DNS name or a canonical IP address")
    return host


def ip_literal(host: str) -> IPAddress | None:
    """Return the address that `host` spells canonically, without a zone; None for all else."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address if str(address) == host and "%" not in host else None


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that may be sent a login. `host` is canonical, IPv6 without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, authority: str, scheme: str) -> Origin:
        """Read `host[:port]`. Raise ValueError for user information and odd spellings."""
        host, colon, port = authority.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = authority, str(_DEFAULT_PORTS[scheme])
        if not _PORT.match(port) or int(port) > _MAX_PORT:
            raise ValueError("not a port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            if ":" not in host:
                raise ValueError("brackets are for IPv6 addresses")
        elif ":" in host:
            raise ValueError("an IPv6 address needs brackets")
        return cls(scheme, canonical_host(host), int(port))

    @property
    def authority(self) -> str:
        """Return what a Host header says: the scheme's own port is left out."""
        return self._bracketed + (
            "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        )

    @property
    def place(self) -> tuple[str, int]:
        """Return host and port, to compare without the scheme."""
        return (self.host, self.port)

    @property
    def encrypted(self) -> bool:
        """Whether requests go through TLS."""
        return self.scheme == "https"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_url(text: str) -> tuple[Origin, str]:
    """Split an absolute http or https URL into its origin and its request target.

    Raise ValueError for anything else: relative, other schemes, user information, fragments,
    backslashes, blanks, control characters, more than 2048 characters.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if len(text) > _MAX_URL or not separator or scheme not in _DEFAULT_PORTS:
        raise ValueError("not an absolute http or https URL")
    end = min((rest.index(c) for c in "/?" if c in rest), default=len(rest))
    authority, target = rest[:end], rest[end:]
    target = target if target.startswith("/") else "/" + target
    if not _TARGET.match(target):
        raise ValueError("its path or query holds characters that must be escaped")
    return Origin.parse(authority, scheme), target


class HttpHosts:
    """The hosts that the operator lets be reached without TLS: `host` (any port) or `host:port`."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Raise ValueError for an entry that is no host."""
        self._any_port: set[str] = set()
        self._places: set[tuple[str, int]] = set()
        for entry in entries:
            origin = Origin.parse(entry, "http")
            if entry.endswith(f":{origin.port}") and not entry.endswith(f"[{origin.host}]"):
                self._places.add(origin.place)
            else:
                self._any_port.add(origin.host)

    def cover(self, host: str, port: int) -> bool:
        """Whether plain http is allowed there."""
        return host in self._any_port or (host, port) in self._places
