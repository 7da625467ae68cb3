"""Image references, registries, and which login an image gets.

Three things that look alike and are not: an image *reference* (what people type), a registry
*address* (where a registry is reached) and a *scope* (which images a login is for). The one
thing you would get wrong: prefixes match whole path components; `team` never covers `teams/app`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple

from docker_image import reference as _library

from regcred.domain.errors import InvalidInput, InvalidReference

HUB = "docker.io"
"""Docker Hub's canonical registry name."""

HUB_ALIASES = frozenset({HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
"""Hosts that are one registry to a login. To a *reference*, only index.docker.io is an alias."""

HUB_SERVER_URL = "https://index.docker.io/v1/"
"""The key under which docker and crane keep Docker Hub's login (docker/cli, registry/auth.go)."""

_MAX_REFERENCE = 2048
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_MAX_PATH = 255
_MAX_HOST = 253
_HTTPS = 443
_PORT = re.compile(r"[0-9]{1,5}\Z")
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image as a client names it, normalised as docker does.

    `tag` and `digest` are there only if they were written. `registry` is "" for the one odd
    family that Go accepts without one, `a_b.c/app`; its `address()` is refused.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference exactly as distribution/reference's ParseNormalizedNamed does.

        Raise InvalidReference, which names the rule and never repeats the text.
        """
        # The Go grammar is ASCII; the library's regular expressions take Unicode word
        # characters and a trailing newline, so both are refused before it looks.
        if not text:
            raise InvalidReference("must not be empty")
        if len(text) > _MAX_REFERENCE:
            raise InvalidReference(f"must be at most {_MAX_REFERENCE} characters")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise InvalidReference("must be printable ASCII without spaces")
        # A dot makes the first part a host, an underscore makes it none: Go reads all of it as
        # the path, and the library does too once it stands under some registry.
        first, slash, _ = text.partition("/")
        unowned = bool(slash) and "." in first and "_" in first
        try:
            parsed = _library.Reference.parse_normalized_named(f"{HUB}/{text}" if unowned else text)
            domain, path = parsed.split_hostname()
        except Exception as error:
            # The library lets IndexError and TypeError escape beside its own errors; whatever
            # it raises, the text is no reference. Its messages may quote the text: not used.
            raise InvalidReference(
                "must be an image reference: [registry/]repository[:tag][@digest], "
                "the repository in lower case"
            ) from error
        registry = "" if unowned else domain
        return cls(registry, path, parsed["tag"] or None, parsed["digest"] or None)

    def effective(self) -> ImageReference:
        """Return what a pull asks for: a digest beats a tag, and no tag means `latest`."""
        if self.digest:
            return ImageReference(self.registry, self.repository, None, self.digest)
        return ImageReference(self.registry, self.repository, self.tag or "latest")

    def address(self) -> RegistryAddress:
        """Return the registry part as an address to match logins with."""
        return RegistryAddress.parse(self.registry)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        registry = f"{self.registry}/" if self.registry else ""
        return f"{registry}{self.repository}{tag}{digest}"


class RegistryAddress(NamedTuple):
    """A registry's host and port in one spelling: lower case, Hub's aliases as docker.io.

    `port` is None for the default (443), which docker, podman and kubelet all write away.
    """

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str, *, field: str = "registry") -> RegistryAddress:
        """Read `host[:port]`. Raise InvalidInput naming `field` and the rule."""
        # Before any lower-casing: the Kelvin sign's lower case is an ASCII k.
        if not text.isascii():
            raise InvalidInput(field, "must be plain ASCII (write an international name as xn--…)")
        host, port = _split_port(text, field)
        host = _canonical_host(host, field)
        if port == _HTTPS:
            port = None
        if port is None and host in HUB_ALIASES:
            host = HUB
        return cls(host, port)

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which images a login is for: a host (or pattern), a port, and a path prefix.

    Each `*` in `host` stands for one whole label, as Kubernetes has it. `path` is whole
    components without slashes at the ends; "" covers the whole registry.
    """

    host: str
    port: int | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str, *, field: str = "registry_url") -> Scope:
        """Read `[http[s]://]host[:port][/path][/]`; `host` may have `*` labels.

        A leading `v1` or `v2` path component is dropped, as docker and kubelet drop it. Raise
        InvalidInput naming `field` and the rule, never the text.
        """
        rest = strip_scheme(text, field)
        authority, _, path = rest.partition("/")
        path = path.rstrip("/")
        if text != rest and (path in {"v1", "v2"} or path.startswith(("v1/", "v2/"))):
            path = path[3:]
        if "*" in authority:
            host, port = _split_port(authority.lower(), field)
            if len(host) > _MAX_HOST or not all(
                label == "*" or _LABEL.match(label) for label in host.split(".")
            ):
                raise InvalidInput(field, "a * in the host must stand for one whole label")
            port = None if port == _HTTPS else port
        else:
            address = RegistryAddress.parse(authority, field=field)
            host, port = address.host, address.port
        if len(path) > _MAX_PATH or not all(
            _COMPONENT.match(component) for component in path.split("/") if path
        ):
            raise InvalidInput(field, "its path must be repository components: a-z 0-9 . _ - /")
        return cls(host, port, path)

    @property
    def pattern(self) -> bool:
        """Whether the host has a wildcard label."""
        return "*" in self.host

    def covers(self, address: RegistryAddress, repository: str) -> bool:
        """Whether an image at `address` and `repository` lies in this scope."""
        return self.covers_registry(address) and _inside(repository, self.path)

    def covers_registry(self, address: RegistryAddress) -> bool:
        """Whether this scope's host pattern and port match `address`."""
        return self.port == address.port and _host_matches(self.host, address.host)

    def covers_scope(self, other: Scope) -> bool:
        """Whether everything in `other` lies in this scope (its host taken literally)."""
        return (
            self.port == other.port
            and _host_matches(self.host, other.host)
            and _inside(other.path, self.path)
        )

    def overlaps(self, other: Scope) -> bool:
        """Whether some image lies in both scopes."""
        # A narrowed key's list asks this of every login: what is cheap and rare comes first.
        return (
            self.port == other.port
            and (_inside(other.path, self.path) or _inside(self.path, other.path))
            and _hosts_meet(self.host, other.host)
        )

    @property
    def specificity(self) -> tuple[bool, int]:
        """Larger is tried sooner: exact host before pattern, longer path before shorter."""
        return (not self.pattern, len(self.path.split("/")) if self.path else 0)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.host}{port}" + (f"/{self.path}" if self.path else "")


class ImagePattern(Scope):
    """What a puller's key is narrowed to: a scope, which may be written with a trailing `/*`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, field: str = "image_patterns") -> ImagePattern:
        """Read a scope; `/*` and `/**` at its end add nothing. Raise InvalidInput."""
        trimmed = text.removesuffix("/**").removesuffix("/*")
        scope = Scope.parse(trimmed, field=field)
        return cls(scope.host, scope.port, scope.path)


def path_prefixes(repository: str) -> list[str]:
    """Return every whole-component prefix of `repository`, from "" to itself."""
    components = repository.split("/") if repository else []
    return ["", *("/".join(components[: n + 1]) for n in range(len(components)))]


def strip_scheme(text: str, field: str = "registry_url") -> str:
    """Return `text` without http:// or https://. Raise InvalidInput for any other scheme."""
    if not text.isascii() or not text.isprintable() or any(c in text for c in " \\@?#%<>\"'`{}|^"):
        raise InvalidInput(
            field,
            "must be [https://]host[:port][/path] in plain ASCII, without user, query, fragment, "
            "percent signs or spaces (write an international name as xn--…)",
        )
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    if scheme.lower() not in {"http", "https"}:
        raise InvalidInput(field, "its scheme must be https or http")
    return rest


def _inside(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(prefix + "/")


def _host_matches(pattern: str, host: str) -> bool:
    if "*" not in pattern:
        return pattern == host
    wanted, labels = pattern.split("."), host.split(".")
    return len(wanted) == len(labels) and all(
        w in ("*", label) for w, label in zip(wanted, labels, strict=True)
    )


def _hosts_meet(one: str, other: str) -> bool:
    """Whether some host matches both patterns: `*.example.com` and `reg.*.com` share one."""
    ours, theirs = one.split("."), other.split(".")
    return len(ours) == len(theirs) and all(
        "*" in (a, b) or a == b for a, b in zip(ours, theirs, strict=True)
    )


def _split_port(authority: str, field: str) -> tuple[str, int | None]:
    head, colon, tail = authority.rpartition(":")
    if not colon or tail.endswith("]"):
        return authority, None
    if not (_PORT.match(tail) and 1 <= int(tail) <= _MAX_PORT):
        raise InvalidInput(field, f"its port must be 1 to {_MAX_PORT}")
    return head, int(tail)


def _canonical_host(host: str, field: str) -> str:
    """Return a host in lower case: an LDH name, or an IP literal in its canonical spelling.

    Every other spelling of an address (decimal, octal, hex, short forms, zone ids, IPv4 inside
    IPv6 text) is refused, because resolvers read them as addresses where checks read names
    (security facts, A37).
    """
    host = host.lower()
    if host.startswith("["):
        try:
            literal = ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            literal = None
        # Mapped addresses by name: Python 3.13 prints them in the very form that is refused.
        refused = literal is None or literal.scope_id or literal.ipv4_mapped
        if refused or host != f"[{literal}]":
            raise InvalidInput(field, "an IPv6 address must be in its canonical form, in brackets")
        return host
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.match(label) for label in labels):
        raise InvalidInput(field, "its host must be a DNS name (letters, digits, hyphens, dots)")
    # A name whose last label has no letter at its start is what resolvers take for a number.
    if labels[-1][0].isdigit():
        try:
            canonical = str(ipaddress.IPv4Address(host))
        except ValueError:
            canonical = ""
        if canonical != host:
            raise InvalidInput(field, "an IPv4 address must be four plain decimal numbers")
    return host
