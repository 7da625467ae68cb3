"""Pods that prove who they are by their cluster's token, and what they may pull.

A cluster is the operator's word that an issuer's tokens are believed; a workload is a project's
word that one of its service accounts may take logins. The one thing you would get wrong: the
issuer's name alone tells no cluster. Many clusters call themselves
`https://kubernetes.default.svc.cluster.local`, so a token belongs to an issuer *and* an audience,
and no two clusters here share both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from regcred.domain import text
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import ImagePattern

ANY = "*"
"""As a workload's namespace or service account: every one. As its only image pattern: every image.

Never what a missing word stands for.
"""

EVERY_IMAGE = ImagePattern(ANY, None, "")

MAX_PATTERNS = 64
MAX_JWKS = 32 * 1024
"""Bytes of a key set that is given inline, as JSON."""

MAX_CA_BUNDLE = 32 * 1024
_MAX_URL = 1024
_MAX_AUDIENCE = 255

# RFC 1123, as Kubernetes names namespaces (a label) and service accounts (a subdomain).
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z")
_EDGES = re.compile(r"\.[.-]|-\.")
_MAX_SUBDOMAIN = 253
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:%/\[\]]+\Z")


@dataclass(frozen=True, slots=True)
class Cluster:
    """An issuer of service-account tokens. Its id lasts; `version` is moved by each change."""

    id: UUID
    name: str
    issuer: str
    """Compared with a token's `iss` character by character."""

    audience: str
    """What a token must have been made for, and for nothing else."""

    created_at: datetime
    updated_at: datetime
    jwks: str | None = None
    """The keys themselves, as a JSON Web Key Set (RFC 7517); None: they are fetched."""

    jwks_uri: str | None = None
    """Where to fetch them; None: the issuer's discovery document says it."""

    ca_bundle: str | None = None
    """PEM: whom to trust when fetching, and nobody else; None: the system's."""

    version: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """A service account that may take a project's logins. It is never changed, only withdrawn."""

    id: UUID
    project_id: UUID
    cluster_id: UUID
    cluster: str
    """The cluster's name."""

    namespace: str
    service_account: str
    image_patterns: tuple[ImagePattern, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Who says to have made a token, and for whom: read before anything in it is believed."""

    issuer: str
    audience: str
    namespace: str
    service_account: str


@dataclass(frozen=True, slots=True)
class Pod:
    """Who a verified token speaks for. `name` and `node` are "" where the token does not say."""

    namespace: str
    service_account: str
    ends: datetime
    """When the token does."""

    name: str = ""
    node: str = ""


def is_pod_token(presented: str) -> bool:
    """Whether what was presented can only be a token (three parts with dots), and no API key."""
    return presented.count(".") == 2  # noqa: PLR2004  RFC 7519: header, claims, signature


def pod_patterns(workloads: Iterable[Workload]) -> tuple[ImagePattern, ...]:
    """Return what a pod is narrowed to: the union of its workloads' images; () for every image.

    `workloads` is never empty: who has none reaches nothing.
    """
    patterns = tuple(dict.fromkeys(p for w in workloads for p in w.image_patterns))
    if not patterns:
        raise ValueError("a workload names its images")
    return () if EVERY_IMAGE in patterns else patterns


def cluster_name(given: str, *, field: str = "name") -> str:
    """Return a cluster's name: 1-63 of a-z, 0-9 and inner hyphens. Raise InvalidInput."""
    if not _LABEL.match(given):
        raise InvalidInput(field, "must be 1 to 63 of a-z, 0-9 and -, not at its ends")
    return given


def issuer(given: str) -> str:
    """Return an issuer's name, which is an https URL. Raise InvalidInput."""
    return https_url(given, field="issuer")


def https_url(given: str, *, field: str = "jwks_uri") -> str:
    """Return an https URL without user, query or fragment, as it is written. Raise InvalidInput."""
    if len(given) > _MAX_URL or not _URL_CHARACTERS.match(given) or not _https(given):
        raise InvalidInput(
            field,
            f"must be https://HOST[:PORT][/PATH], at most {_MAX_URL} characters, "
            "without user, query or fragment",
        )
    return given


def _https(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme == "https" and bool(split.hostname) and split.port != 0
    except ValueError:
        return False  # half an IPv6 address, or a port that is none


def audience(given: str) -> str:
    """Return an audience: 1-255 printable characters. Raise InvalidInput."""
    return text.printable(given, field="audience", maximum=_MAX_AUDIENCE)


def namespace(given: str, *, field: str = "namespace") -> str:
    """Return a namespace's name, or ANY. Raise InvalidInput."""
    if given != ANY and not _LABEL.match(given):
        raise InvalidInput(field, "must be a namespace's whole name, or * alone for every one")
    return given


def service_account(given: str, *, field: str = "service_account") -> str:
    """Return a service account's name, or ANY. Raise InvalidInput."""
    if given != ANY and not is_subdomain(given):
        raise InvalidInput(
            field, "must be a service account's whole name, or * alone for every one"
        )
    return given


def is_label(given: str) -> bool:
    """Whether a text is an RFC 1123 label: what Kubernetes calls a namespace."""
    return _LABEL.match(given) is not None


def is_subdomain(given: str) -> bool:
    """Whether a text is an RFC 1123 subdomain: what Kubernetes calls a service account."""
    return (
        len(given) <= _MAX_SUBDOMAIN
        and _SUBDOMAIN.match(given) is not None
        and not _EDGES.search(given)
    )


def image_patterns(given: Sequence[str]) -> tuple[ImagePattern, ...]:
    """Return a workload's images: 1-64 patterns, or ANY alone for all. Raise InvalidInput."""
    field = "image_patterns"
    if not 1 <= len(given) <= MAX_PATTERNS:
        raise InvalidInput(
            field, f"must be 1 to {MAX_PATTERNS} patterns, or * alone for every image"
        )
    if len(given) == 1 and given[0] == ANY:
        return (EVERY_IMAGE,)
    parsed = (ImagePattern.parse(one, field=f"{field}.{n}") for n, one in enumerate(given))
    patterns = tuple(dict.fromkeys(parsed))
    if EVERY_IMAGE in patterns:
        raise InvalidInput(field, "for every image, * must be the only one, written so")
    return patterns
