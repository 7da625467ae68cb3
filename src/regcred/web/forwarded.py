"""Where a request comes from, as far as proxies that the operator trusts tell.

The one thing you would get wrong: from which end to read. Whoever asks may begin either header
as it likes; what a proxy adds stands at the right. So the addresses are read from the right, past
trusted proxies, to the first that is none, and whatever stands before that is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import Scope

from regcred.domain.errors import MalformedRequest
from regcred.web.middleware import peer_of

_MOST_HOPS = 32
_LONGEST = 4096

# RFC 7239, section 4; a text that a client began with a quotation mark swallows no proxy's part,
# because then all of it matches nothing.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PAIR = rf"(?:{_WORD}=(?:{_WORD}|{_QUOTED}))"
_ELEMENT = rf"{_PAIR}(?:;{_PAIR})*"
_FORWARDED = re.compile(rf"{_ELEMENT}(?:[ \t]*,[ \t]*{_ELEMENT})*")
_STEP = re.compile(rf"({_WORD})=({_WORD}|{_QUOTED})([;,]|[ \t]*,[ \t]*|\Z)")

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::[0-9]{1,5})?")


class TrustedProxies:
    """The networks whose word on a request's origin is taken."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Take networks (CIDR)."""
        self._networks = [ip_network(network) for network in networks]
        self.has = lru_cache(maxsize=1024)(self._has)
        """Whether an address is a trusted proxy's."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._networks)

    def client_of(self, scope: Scope) -> str:
        """Return the address of the client that a trusted proxy, or several, brought.

        The nearest proxy's own where none is told. Raise MalformedRequest for what two readers
        would take for two clients.
        """
        hop = peer_of(scope)
        for told in _told(scope):
            if not self.has(hop):
                break
            address = _address(told)
            if address is None:
                break  # it is not told, or not so that it could be known
            hop = address
        return hop

    def _has(self, host: str) -> bool:
        address = _plain(host)
        return address is not None and any(address in network for network in self._networks)


def _told(scope: Scope) -> Sequence[str]:
    """Return what proxies told of whom they served, the nearest first. Raise MalformedRequest."""
    forwarded = _joined(scope, b"forwarded")
    x_forwarded_for = _joined(scope, b"x-forwarded-for")
    if forwarded and x_forwarded_for:
        # A proxy writes one of them, and the other came from whoever asks.
        raise MalformedRequest("Forwarded", "must not stand beside X-Forwarded-For")
    if forwarded:
        return list(_elements(forwarded))[::-1][:_MOST_HOPS]
    return [one.strip(" \t") for one in x_forwarded_for.split(",")[::-1][:_MOST_HOPS]]


def _joined(scope: Scope, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _elements(text: str) -> Iterator[str]:
    """Yield each element's `for`, "" where it has none. Raise MalformedRequest."""
    if len(text) > _LONGEST or not _FORWARDED.fullmatch(text):
        raise MalformedRequest("Forwarded", f"must be as RFC 7239 has it, and {_LONGEST} bytes")
    found: list[str] = []
    for name, value, end in _STEP.findall(text):
        if name.lower() == "for":
            found.append(value)
        if end != ";":
            if len(found) > 1:
                raise MalformedRequest("Forwarded", "must tell one `for` of each hop")
            yield re.sub(r"\\(.)", r"\1", found[0].strip('"')) if found else ""
            found = []


def _address(told: str) -> str | None:
    """Return an address without its port, in one spelling; None for anything else."""
    with_port = _WITH_PORT.fullmatch(told)
    host = (with_port[1] or with_port[2]) if with_port else told
    address = _plain(host)
    return None if address is None else str(address)


def _plain(host: str) -> IPv4Address | IPv6Address | None:
    if "%" in host:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
