"""What the other end of a connection is counted as."""

from __future__ import annotations

import ipaddress


def counted_as(host: str) -> str:
    """Return the text that an address is counted under; one that is no address stands for itself.

    Whoever has an IPv6 address has its whole network of 64 bits, and picks any of it.
    """
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:8].hex()
