"""Destinations that must not be reached, in every spelling, and a harness that counts attempts.

What counts is an attempted connection at the socket, not the exception that somebody raised. The
resolver behaves as the system's does: it reads decimal, octal, hex, short and full-width numbers
as addresses. The oracle is a list of what may be reached; everything else is forbidden.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import unicodedata
from asyncio.selector_events import BaseSelectorEventLoop
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from tests.adapters.registries.ssrf_spellings import MORE_ENCODINGS, MORE_IPV6

PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
PORTS = (443, 80)

TARGETS = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - an address that must not be reached
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "169.254.0.23",
    "192.0.0.170",
    "172.31.255.254",
    "100.127.255.254",
)

TARGETS_IPV6 = (
    "::",
    "::1",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:20::1",
    "2001:db8::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::1",
    "::ffff:93.184.215.14",
    *MORE_IPV6,
)

EXOTIC_IPV4 = ("192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1", "203.0.113.9")


def _octets(target: str) -> list[int]:
    return [int(part) for part in target.split(".")]


def _number(target: str) -> int:
    return int(ipaddress.IPv4Address(target))


def _v6(prefix: int, target: str, shift: int = 0) -> str:
    return str(ipaddress.IPv6Address(prefix | _number(target) << shift))


def _hextets(target: str) -> str:
    a, b, c, d = _octets(target)
    return f"{a << 8 | b:x}:{c << 8 | d:x}"


def _dressed(target: str, zero: int) -> str:
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in target)


def _circled(target: str) -> str:
    return "".join(
        "\u24ea" if c == "0" else chr(0x245F + int(c)) if c != "." else c for c in target
    )


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda t: t,
    "decimal": lambda t: str(_number(t)),
    "hexadecimal": lambda t: hex(_number(t)),
    "upper-case hexadecimal": lambda t: f"0X{_number(t):X}",
    "octal": lambda t: f"0{_number(t):o}",
    "dotted hexadecimal": lambda t: ".".join(hex(o) for o in _octets(t)),
    "dotted octal": lambda t: ".".join(f"0{o:o}" for o in _octets(t)),
    "padded octal": lambda t: ".".join(f"{o:#06o}".replace("o", "0") for o in _octets(t)),
    "two parts": lambda t: f"{_octets(t)[0]}.{_number(t) & 0xFFFFFF}",
    "three parts": lambda t: ".".join([*t.split(".")[:2], str(_number(t) & 0xFFFF)]),
    "mixed": lambda t: f"{hex(_octets(t)[0])}.{_number(t) & 0xFFFFFF}",
    "full-width digits": lambda t: _dressed(t, 0xFF10),
    "full-width dots": lambda t: t.replace(".", "\u3002"),
    "circled digits": _circled,
    "arabic digits": lambda t: _dressed(t, 0x0660),
    "trailing dot": lambda t: f"{t}.",
    "user information": lambda t: f"registry.example@{t}",
    "percent signs": lambda t: t.replace(".", "%2e"),
    "NUL": lambda t: f"{t}\0.registry.example",
    "line feed": lambda t: f"{t}\n",
    "blank": lambda t: f" {t}",
    "fragment": lambda t: f"{t}#@registry.example",
    "brackets": lambda t: f"[{t}]",
    "mapped": lambda t: f"::ffff:{t}",
    "mapped hexadecimal": lambda t: f"::ffff:{_hextets(t)}",
    "mapped in full": lambda t: f"0:0:0:0:0:ffff:{_hextets(t)}",
    "compatible": lambda t: f"::{_hextets(t)}",
    "SIIT": lambda t: f"::ffff:0:{_hextets(t)}",
    "NAT64": lambda t: f"64:ff9b::{_hextets(t)}",
    "local NAT64": lambda t: f"64:ff9b:1::{_hextets(t)}",
    "6to4": lambda t: _v6(0x2002 << 112, t, 80),
    "Teredo": lambda t: str(ipaddress.IPv6Address(0x20010000 << 96 | (_number(t) ^ 0xFFFFFFFF))),
    "ISATAP": lambda t: _v6(0x2A001450 << 96 | 0x5EFE << 32, t),
    "mapped with a zone": lambda t: f"::ffff:{_hextets(t)}%1",
    **MORE_ENCODINGS,
}

ANSWERS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "alone": lambda bad: (bad,),
    "public first": lambda bad: (*PUBLIC, bad),
    "private first": lambda bad: (bad, *PUBLIC),
    "in the middle": lambda bad: (PUBLIC[0], bad, PUBLIC[1]),
    "last of many": lambda bad: (*(PUBLIC * 10), bad),
}


def forbidden() -> Iterator[str]:
    """Yield every address that an answer of the resolver must not lead to."""
    yield from TARGETS
    yield from EXOTIC_IPV4
    yield from TARGETS_IPV6
    for target in TARGETS:
        for name in ("mapped", "compatible", "SIIT", "NAT64", "6to4", "Teredo", "ISATAP"):
            yield ENCODINGS[name](target)


@dataclass(slots=True)
class Network:
    """A resolver that answers as told, and sockets that never connect but remember the attempt.

    `names` maps a name to its answers, one entry a look-up; the last is repeated.
    """

    names: dict[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    lookups: Counter[str] = field(default_factory=Counter)

    @property
    def violations(self) -> list[str]:
        return [address for address in self.attempts if address not in PUBLIC]

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(socket, "getaddrinfo", self._getaddrinfo)
        network = self

        async def sock_connect(
            _loop: BaseSelectorEventLoop, _sock: socket.socket, address: Any
        ) -> None:
            network.attempts.append(address[0])
            raise ConnectionRefusedError

        patch.setattr(BaseSelectorEventLoop, "sock_connect", sock_connect)

    def _getaddrinfo(
        self, host: str | bytes, port: int | str | None, *_rest: object, **_named: object
    ) -> list[tuple[object, ...]]:
        name = host.decode() if isinstance(host, bytes) else host
        self.lookups[name] += 1
        answers = self._answers(name)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [_entry(address, port) for address in answers]

    def _answers(self, name: str) -> Sequence[str]:
        rounds = self.names.get(name.lower())
        if rounds is not None:
            return rounds[min(self.lookups[name], len(rounds)) - 1]
        for plain in _readings(name):
            with suppress(OSError, ValueError):
                return [socket.inet_ntoa(socket.inet_aton(plain))]
            with suppress(ValueError):
                return [str(ipaddress.ip_address(plain))]
        return []


def _readings(name: str) -> Iterator[str]:
    """Yield what more and more generous parsers would take for the host."""
    plain = unicodedata.normalize("NFKC", name).rstrip(".").strip()
    yield plain
    shown = "".join(c for c in plain if unicodedata.category(c) not in {"Cf", "Cc", "Mn"})
    yield shown
    decoded = unquote(unquote(shown)).replace("\\", "/")
    yield decoded
    yield decoded.rpartition("@")[2].strip("[]+.")
    bare = re.split(r"[/?#;,\s\0]", decoded.rpartition("@")[2].replace("http://", "").strip("/"))[0]
    yield bare
    yield re.sub(r":\d+$", "", bare)
    yield bare.partition("%")[0].strip("[]")


def _entry(address: str, port: object) -> tuple[object, ...]:
    if ":" in address:
        place: tuple[object, ...] = (address, port, 0, 0)
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", place)
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


LEGITIMATE = (
    "registry-1.docker.io",
    "auth.docker.io",
    "ghcr.io",
    "quay.io",
    "registry.gitlab.com",
    "gitlab.com",
    "gcr.io",
    "us.gcr.io",
    "eu.gcr.io",
    "asia.gcr.io",
    "us-docker.pkg.dev",
    "europe-west4-docker.pkg.dev",
    "public.ecr.aws",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
    "example.azurecr.io",
    "mcr.microsoft.com",
    "registry.digitalocean.com",
    "api.digitalocean.com",
    "registry.k8s.io",
    "registry.access.redhat.com",
    "registry.redhat.io",
    "registry.connect.redhat.com",
    "nvcr.io",
    "docker.elastic.co",
    "cgr.dev",
    "icr.io",
    "us.icr.io",
    "de.icr.io",
    "container-registry.oracle.com",
    "fra.ocir.io",
    "registry.suse.com",
    "registry.opensuse.org",
    "registry.fedoraproject.org",
    "registry.heroku.com",
    "docker.cloudsmith.io",
    "example.jfrog.io",
    "harbor.example-company.com",
    "codeberg.org",
    "git.example-company.com",
    "registry.scaleway.com",
    "rg.fr-par.scw.cloud",
    "registry.ovh.net",
    "registry.ng.bluemix.net",
    "cr.yandex",
    "swr.eu-west-101.myhuaweicloud.eu",
    "registry.cn-hangzhou.aliyuncs.com",
    "ccr.ccs.tencentyun.com",
    "docker.io",
    "registry.example.org",
    "xn--bcher-kva.example",
    "1.registry.example",
)


async def attempt(connect: Callable[[], Any]) -> type[BaseException] | None:
    """Try to connect; the sockets of Network never let it succeed."""
    try:
        await asyncio.wait_for(connect(), 20)
    except Exception as error:  # noqa: BLE001 - whatever is raised, the attempts are what counts
        return type(error)
    return None
