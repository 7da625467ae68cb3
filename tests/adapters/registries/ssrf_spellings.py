"""More ways to spell an address that must not be reached, and URLs that hide one.

What a parser somewhere reads as that address, or as a name in front of it: each is a way in if any
layer is more generous than the guard before it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

_IGNORED = "\u00ad\u200b\u2060\ufe0f"
_DOTS = {
    "ideographic": "\u3002",
    "full-width": "\uff0e",
    "half-width": "\uff61",
    "leader": "\u2024",
}
_DIGITS = {
    "bold": 0x1D7CE,
    "double-struck": 0x1D7D8,
    "monospace": 0x1D7F6,
    "devanagari": 0x0966,
    "bengali": 0x09E6,
    "persian": 0x06F0,
    "subscript": 0x2080,
}
_SUPERSCRIPT = dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))


def _number(target: str) -> int:
    return int(ipaddress.IPv4Address(target))


def _octets(target: str) -> list[int]:
    return [int(part) for part in target.split(".")]


def _dressed(target: str, zero: int) -> str:
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in target)


def _v6(prefix: str, target: str, shift: int = 0) -> str:
    whole = int(ipaddress.IPv6Address(prefix)) | _number(target) << shift
    return str(ipaddress.IPv6Address(whole))


def _nat64(prefix: str, length: int, target: str) -> str:
    """RFC 6052 section 2.2: the address stands behind the prefix, around bits 64 to 71."""
    bits = f"{int(ipaddress.IPv6Address(prefix)):0128b}"[:length]
    for bit in f"{_number(target):032b}":
        if 64 <= len(bits) < 72:
            bits += "0" * 8
        bits += bit
    return str(ipaddress.IPv6Address(int(bits.ljust(128, "0"), 2)))


MORE_ENCODINGS: dict[str, Callable[[str], str]] = {
    "hexadecimal with zeros": lambda t: f"0x{_number(t):016x}",
    "octal with zeros": lambda t: f"{_number(t):024o}",
    "decimal with zeros": lambda t: f"{_number(t):020d}",
    "decimal past 32 bits": lambda t: str(_number(t) + (1 << 32)),
    "hexadecimal past 32 bits": lambda t: hex(_number(t) + (1 << 32)),
    "octets past 8 bits": lambda t: ".".join(str(o + 256) for o in _octets(t)),
    "hexadecimal parts, then decimal": lambda t: ".".join(
        [*(hex(o) for o in _octets(t)[:2]), str(_number(t) & 0xFFFF)]
    ),
    "a sign": lambda t: f"+{t}",
    "a negative number": lambda t: str(_number(t) - (1 << 32)),
    "an underscore": lambda t: f"{_number(t):_}",
    "exponent": lambda t: f"{_number(t)}e0",
    "padded octets": lambda t: ".".join(f"{o:03d}" for o in _octets(t)),
    "a leading dot": lambda t: f".{t}",
    "two trailing dots": lambda t: f"{t}..",
    "an empty part": lambda t: t.replace(".", "..", 1),
    "five parts": lambda t: f"{t}.0",
    "a port": lambda t: f"{t}:80",
    "a port and user information": lambda t: f"u:p@{t}:80",
    "a path": lambda t: f"{t}/registry.example.com",
    "a query": lambda t: f"{t}?registry.example.com",
    "a backslash": lambda t: f"{t}\\.registry.example.com",
    "a backslash and user information": lambda t: f"registry.example.com\\@{t}",
    "a semicolon": lambda t: f"{t};registry.example.com",
    "a comma": lambda t: f"{t},registry.example.com",
    "a tab": lambda t: t.replace(".", ".\t", 1),
    "another header": lambda t: f"{t}\r\nHost: registry.example.com",
    "percent-encoded digits": lambda t: "".join(f"%{ord(c):02x}" for c in t),
    "percent-encoded twice": lambda t: t.replace(".", "%252e"),
    "percent-encoded NUL": lambda t: f"{t}%00.registry.example.com",
    "overlong dots": lambda t: t.replace(".", "%c0%ae"),
    "ignored characters": _IGNORED.join,
    "another direction": lambda t: f"\u202e{t[::-1]}\u202c",
    "superscript digits": lambda t: "".join(_SUPERSCRIPT.get(c, c) for c in t),
    "roman punycode": lambda t: f"xn--{t}",
    "a scheme": lambda t: f"http://{t}",
    "two slashes": lambda t: f"//{t}",
    "quotes": lambda t: f'"{t}"',
    "a wildcard": lambda t: f"*.{t}",
    "upper-case mapped": lambda t: f"::FFFF:{t}",
    "mapped with zeros": lambda t: f"0000:0000:0000:0000:0000:ffff:{t}",
    "mapped, short zeros": lambda t: f"0::ffff:{t}",
    "mapped in brackets": lambda t: f"[::ffff:{t}]",
    "mapped with an encoded zone": lambda t: f"::ffff:{t}%25eth0",
    "compatible, dotted": lambda t: f"::{t}",
    "SIIT, dotted": lambda t: f"::ffff:0:{t}",
    "NAT64, dotted": lambda t: f"64:ff9b::{t}",
    "6to4 of a host": lambda t: _v6("2002::1", t, 80),
    "Teredo's server": lambda t: _v6("2001::", t, 64),
    "ISATAP of a global address": lambda t: _v6("2a00:1450::200:5efe:0:0", t),
    "ISATAP of a link": lambda t: _v6("fe80::5efe:0:0", t),
    **{
        f"local NAT64 of {length} bits": lambda t, n=length: _nat64("64:ff9b:1::", n, t)  # type: ignore[misc]  # mypy cannot type the bound default
        for length in (48, 56, 64)
    },
    **{f"{name} dots": lambda t, d=dot: t.replace(".", d) for name, dot in _DOTS.items()},  # type: ignore[misc]  # mypy cannot type the bound default
    **{f"{name} digits": lambda t, z=zero: _dressed(t, z) for name, zero in _DIGITS.items()},  # type: ignore[misc]  # mypy cannot type the bound default
}

MORE_IPV6 = (
    "fd20:ce::254",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
    "fec0:0:0:ffff::1",
    "ff0e::1",
    "100:0:0:1::1",
    "2001:1::1",
    "2001:4:112::1",
    "2001:30::1",
    "2001:db8:122:344::c000:221",
    "3ffe:ffff::1",
    "::ffff:0:0",
    "4000::1",
    "8000::1",
    "e000::1",
    "2606:4700::1111%2",
    "64:ff9b::",
)

NAMES = (
    "localhost",
    "localhost.localdomain",
    "registry.localhost",
    "ip6-localhost",
    "ip6-loopback",
    "metadata.google.internal",
    "metadata",
    "instance-data.ec2.internal",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "host.docker.internal",
    "gateway.docker.internal",
    "router.local",
    "10-0-0-5.default.pod.cluster.local",
    "127.0.0.1.nip.example",
    "0x7f000001.registry.example",
    "xn--localhost-.example",
)
"""Names that lead inside wherever they resolve at all."""

URLS: tuple[str, ...] = (
    "{t}",
    "http://{t}/",
    "https://{t}/",
    "https://{t}:443",
    "https://{t}:80/v2/",
    "HTTPS://{t}/",
    "https://registry.example.com@{t}/",
    "https://registry.example.com:443@{t}/",
    "https://user:pw@{t}/",
    "https://@{t}/",
    "https://{t}\\@registry.example.com/",
    "https://{t}#@registry.example.com/",
    "https://{t}?@registry.example.com/",
    "https://{t};@registry.example.com/",
    "https://{t}%2f@registry.example.com/",
    "https://{t}%00.registry.example.com/",
    "https://{t}%20.registry.example.com/",
    "https://{t}\t/",
    "https://{t}\r\n/",
    "https:// {t}/",
    "https:\\\\{t}/",
    "https:/{t}/",
    "https:{t}/",
    "https:///{t}/",
    "//{t}/",
    "https://{t}.:443/",
    "https://[{t}]/",
    "https://[::ffff:{t}]/",
    "https://[::ffff:{t}%25eth0]/",
    "https://[::{t}]/",
    "https://[64:ff9b::{t}]/",
    "https://registry.example.com, {t}/",
    "https://registry.example.com https://{t}/",
    "https://registry.example.com/../{t}",
    "https://registry.example.com/\\{t}/",
    "https://registry.example.com:{t}/",
    "ftp://{t}/",
    "file://{t}/etc/passwd",
    "gopher://{t}:80/_GET",
    "dict://{t}:443/",
    "ldap://{t}/",
    "unix://{t}/var/run/docker.sock",
    "jar:https://{t}!/",
    "view-source:https://{t}/",
    "docker://{t}/team",
    "oci://{t}/team",
    "*.{t}",
    "https://*.{t}/",
)
"""Registries and realms to type in, or to be told, with the target in them."""
