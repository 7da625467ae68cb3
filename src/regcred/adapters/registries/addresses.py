"""Which socket addresses are public: the tables behind the guarded transport.

Not `ipaddress.is_global`: it calls translations of private addresses global (6to4, NAT64,
IPv4-compatible), and its answers differ between Python versions.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from regcred.adapters.registries.origins import IPAddress

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_BLOCKED_IPV4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); 100.100.100.200 is Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's wire server: public by number, private by meaning
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF assignments; 192.0.0.192 is Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # AMT relays (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All that is assigned for global unicast. What lies outside needs no line below: loopback,
link-local, unique-local, multicast, IPv4-compatible, SIIT, NAT64 (64:ff9b::/96, 64:ff9b:1::/48)."""

_BLOCKED_IPV6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # IETF assignments: Teredo, benchmarking, AMT, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3ffe::/16",  # the returned test network (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
    )
)

# Interface ids of ISATAP (RFC 5214): 0000:5efe or 0200:5efe, then an IPv4 address.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def networks(texts: Iterable[str | IPNetwork]) -> tuple[IPNetwork, ...]:
    """Read CIDR blocks. Raise ValueError for a block with host bits set."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def unmapped(address: IPAddress) -> IPAddress:
    """Return the IPv4 address inside ::ffff:a.b.c.d, any other address as it is."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def inside(address: IPAddress, blocks: Iterable[IPNetwork]) -> bool:
    """Whether the address, or the IPv4 address mapped in it, lies in one of the blocks."""
    inner = unmapped(address)
    return any(address in block or inner in block for block in blocks)


def public(address: IPAddress) -> bool:
    """Whether anyone on the Internet could be at this address, and nobody nearer.

    A mapped address is never public, nor is one with a zone: no resolver has a reason to give one.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in _BLOCKED_IPV4)
    if (
        address.scope_id is not None
        or address not in _PUBLIC_IPV6
        or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    ):
        return False
    return not any(address in block for block in _BLOCKED_IPV6)
