"""What dialogues and the client say to each other: requests, replies, and why there is none.

A dialogue is a generator: `reply = yield request`. It does no I/O; the client that drives it
does nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from regcred.adapters.registries.origins import Origin, parse_url
from regcred.domain.secret import Secret
from regcred.domain.verdict import EvidenceValue, VerdictKind


class Attach(StrEnum):
    """How a secret is put on a request."""

    BASIC = "basic"
    BEARER = "bearer"
    PASSWORD_GRANT = "password"  # noqa: S105 - the name of an OAuth2 grant
    REFRESH_GRANT = "refresh_token"
    CLIENT_GRANT = "client_credentials"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a field
    ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    """A service account's key signs an assertion (RFC 7523); the key itself is not sent."""

    AWS_SIGNATURE = "AWS4-HMAC-SHA256"
    """A secret access key signs the request; the key itself is not sent."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A secret and the one origin that it is for; the client refuses to send it elsewhere."""

    origin: Origin
    attach: Attach
    secret: Secret
    username: str = ""


@dataclass(frozen=True, slots=True)
class AWSProof(Proof):
    """An access key: `username` is its id, `secret` signs. For one service in one region."""

    service: str = ""
    region: str = ""
    session_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class GoogleProof(Proof):
    """A service account's key, whole: it signs an assertion that is good from `issued_at` on."""

    issued_at: datetime = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `form` makes it a form post; a grant's secret fields join it when sent."""

    method: str
    origin: Origin
    target: str
    accept: tuple[str, ...] = ()
    form: tuple[tuple[str, str], ...] | None = None
    proof: Proof | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """More headers than every request has; never a secret."""

    content: bytes | None = None
    """A body that is no form; `headers` says of which type."""

    status_only: bool = False
    """Nothing of the answer's body is read; the connection is closed after its headers."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer: header names in lower case, the body within its bound."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return the first header of that (lower-case) name."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every header of that (lower-case) name."""
        return tuple(value for key, value in self.headers if key == name)


def observed(reply: Reply) -> dict[str, EvidenceValue]:
    """Return what the few headers say that help, each only in the form that it must have."""
    seen: dict[str, EvidenceValue] = {
        name: value
        for name, header, form in _HELPFUL
        if (value := reply.header(header)) is not None and form.match(value)
    }
    if reply.status in _TOO_MUCH and (seconds := _seconds(reply.header("retry-after"))):
        seen["retry_after"] = seconds
    if reply.status in _REDIRECTS:
        with suppress(ValueError):
            origin, _ = parse_url(reply.header("location") or "")
            seen["redirect_host"] = origin.authority
    return seen


_REDIRECTS = range(300, 400)
_TOO_MUCH = frozenset({429, 503})
_LONGEST_WAIT = 86_400
_RATE = re.compile(r"[0-9]{1,9}(?:;w=[0-9]{1,9})?\Z")
_HELPFUL = (
    ("digest", "docker-content-digest", re.compile(r"sha256:[0-9a-f]{64}\Z")),
    ("ratelimit_limit", "ratelimit-limit", _RATE),
    ("ratelimit_remaining", "ratelimit-remaining", _RATE),
)


def _seconds(header: str | None) -> int:
    """Return for how long to wait, up to a day; 0 for what is no whole number of seconds."""
    digits = (header or "").strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(_LONGEST_WAIT)):
        return 0
    return int(digits) if int(digits) <= _LONGEST_WAIT else 0


class Unanswered(Exception):
    """No reply came. `cause` is one of dns, connect, tls, timeout."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Unreadable(Exception):
    """Something came back that is no bounded HTTP answer; `note` is a fixed sentence."""

    def __init__(self, note: str) -> None:
        self.note = note
        super().__init__(note)


class UnusableKey(Exception):
    """A stored secret is no key that can sign; nothing was sent. `note` is a fixed sentence."""

    def __init__(self, note: str) -> None:
        self.note = note
        super().__init__(note)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a handshake found out: a verdict but for its time."""

    kind: VerdictKind
    evidence: Mapping[str, EvidenceValue] = field(default_factory=dict)


_Result = TypeVar("_Result")
Dialogue = Generator[Request, Reply, _Result]

Handshake = Dialogue[Finding]
