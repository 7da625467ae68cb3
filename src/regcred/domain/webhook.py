"""Where a project's events are sent: an address, a signing secret, and how patient we are.

The one thing you would get wrong: what an attempt may tell. A tenant chose the address, so what
comes back is a status class or a fixed reason, and nothing that the receiver wrote.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from regcred.domain.credential import Delivery
from regcred.domain.errors import InvalidInput
from regcred.domain.event import Event, EventKind
from regcred.domain.project import Project
from regcred.domain.registry import RegistryAddress
from regcred.domain.secret import Secret

MAX_WEBHOOKS = 20
"""Webhooks of one project."""

MAX_WAITING = 1000
"""Deliveries that wait for one webhook; the oldest is dropped for a newer one."""

MAX_UNDER_WAY = 4
"""Deliveries of one project under way at once: its slow receivers leave places to the others."""

SECRET_BYTES = 32
"""Random bytes in a signing secret that is made here."""

SECRET_PREFIX = "whsec_"  # noqa: S105  what each begins with
"""Before the base64 of a signing secret (Standard Webhooks)."""

TEST_KIND = "webhook.test"
"""The type of a message that someone asked for to see whether it arrives."""

RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
"""How long to wait after each failed attempt; after one more it is given up."""

SPREAD = 0.1
"""How much longer than that it may be, so that what failed together is not repeated together."""

LONGEST_REST = timedelta(minutes=10)
"""How long a receiver that failed again and again is left alone at most, whatever waits for it."""

REST_AFTER_CHANGE = timedelta(minutes=1)
"""How long at most it still rests once someone changed the webhook."""

_MAX_URL = 2048
# What RFC 3986 lets stand in a path and a query, but for the @.
_TARGET = re.compile(r"(?:[/?][A-Za-z0-9\-._~!$&'()*+,;=:%/?]*)?\Z")
_AUTHORITY_ENDS = re.compile(r"[/?]")
_SECRET_SIZES = range(24, 65)
_SECRET_RULE = "must be whsec_ and 24 to 64 bytes in base64 (Standard Webhooks)"  # noqa: S105  a rule


class DeliveryStatus(StrEnum):
    """What came of an attempt. Closed, filtered and forbidden places are one: `unreachable`."""

    DELIVERED = "delivered"
    """2xx: the receiver has it."""

    REDIRECTED = "redirected"
    """3xx, which is not followed."""

    REFUSED = "refused"
    """4xx."""

    GONE = "gone"
    """410: the receiver wants no more, and the webhook is disabled."""

    FAILED = "failed"
    """5xx."""

    NOT_HTTP = "not_http"
    """What answers does not speak HTTP, or without end."""

    DNS = "dns"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    PLAIN_HTTP = "plain_http"
    """The address is http, and the operator does not allow that for its host (any more)."""

    SECRET_BROKEN = "secret_broken"  # noqa: S105  a status
    """The stored signing secret does not open, so nothing was sent: rotate it."""

    GAVE_UP = "gave_up"
    """An event was dropped after the last attempt."""

    OVERFLOWED = "overflowed"
    """An event was dropped because too many newer ones wait."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that a project's events go to. `version` is moved by what people see change."""

    id: UUID
    project_id: UUID
    url: str
    """As the client wrote it. It may hold a token of the receiver: only admins see it whole."""

    created_at: datetime
    updated_at: datetime
    kinds: tuple[EventKind, ...] = ()
    """What it is told of, sorted; none stands for everything."""

    disabled: bool = False
    version: int = 1
    secret_version: int = 1
    last_status: DeliveryStatus | None = None
    last_at: datetime | None = None

    def __post_init__(self) -> None:
        """Sort the kinds, each once."""
        object.__setattr__(self, "kinds", tuple(sorted(set(self.kinds))))

    @property
    def delivery(self) -> Delivery:
        """Return what the sealed secret is bound to: edited to another address, it stays shut."""
        return delivery_to(self.url)

    @property
    def host(self) -> str:
        """Return `host[:port]` of the address: all of it that may stand in the audit."""
        return _split(self.url)[1]


def delivery_to(url: str) -> Delivery:
    """Return what the signing secret of a webhook at this address is bound to."""
    return Delivery("webhook", url, (), "", {})


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a webhook, whatever is done with it on the way."""

    id: str
    """The same for every attempt, so that a receiver can drop what it has already."""

    kind: str
    happened_at: datetime
    data: Mapping[str, object]
    """Texts, numbers, times and maps of them; never a secret."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from one attempt."""

    status: DeliveryStatus
    at: datetime
    rest_until: datetime
    """Nothing more goes to this webhook before then."""

    retry_at: datetime | None = None
    """None: the event is done with, sent or not."""

    @property
    def disables(self) -> bool:
        """Whether the webhook is out of use from now on, with all that waits for it."""
        return self.status is DeliveryStatus.GONE


def settled(
    status: DeliveryStatus, attempts: int, failures: int, at: datetime, spread: float
) -> Settled:
    """Say what follows from an attempt.

    `attempts` at this event failed before, and the webhook's last `failures` at any event:
    what is away as a whole rests longer and longer, what stumbles over one event does not.
    `spread` is 0 to 1.
    """
    if status in (DeliveryStatus.DELIVERED, DeliveryStatus.GONE):
        return Settled(status, at, at)
    rest = min(RETRIES[min(failures, len(RETRIES) - 1)], LONGEST_REST)
    if attempts >= len(RETRIES):
        return Settled(DeliveryStatus.GAVE_UP, at, at + rest)
    return Settled(status, at, at + rest, at + RETRIES[attempts] * (1 + SPREAD * spread))


def message(webhook: Webhook, project: Project, event: Event) -> Message:
    """Return what is told of an event."""
    fixed: dict[str, object] = {
        "project": told_of(project),
        "credential": {"id": str(event.credential_id), "name": event.credential_name},
        "number": event.number,
    }
    id_ = f"msg_{webhook.id.hex}_{event.number}"
    return Message(id_, str(event.kind), event.at, {**event.details, **fixed})


def told_of(project: Project) -> dict[str, object]:
    """Return what messages tell of a project."""
    return {"id": str(project.id), "number": project.number, "name": project.name}


def address(url: str) -> str:
    """Return a webhook's address as it was written.

    https or http (whether http is allowed for that host is the sender's to say), a host in its
    one spelling, up to 2048 characters, no user information, no fragment. Raise InvalidInput,
    which never repeats the address.
    """
    if len(url) > _MAX_URL:
        raise InvalidInput("url", f"must be at most {_MAX_URL} characters")
    if "@" in url:
        raise InvalidInput("url", "must not hold an @: no user name or password (else write %40)")
    if "#" in url:
        raise InvalidInput("url", "must not hold a fragment (#)")
    scheme, authority, target = _split(url)
    if scheme not in {"https", "http"}:
        raise InvalidInput("url", "must begin with https://")
    RegistryAddress.parse(authority, field="url")
    if not _TARGET.match(target):
        raise InvalidInput("url", "its path and query must be plain ASCII, the rest escaped (%)")
    return url


def kinds(texts: Iterable[str]) -> tuple[EventKind, ...]:
    """Return kinds of events. Raise InvalidInput."""
    try:
        return tuple(map(EventKind, texts))
    except ValueError:
        raise InvalidInput("kinds", f"must be of {', '.join(EventKind)}") from None


def new_secret(random: bytes) -> Secret:
    """Return a signing secret of these random bytes."""
    return Secret(SECRET_PREFIX + base64.b64encode(random).decode(), field="secret")


def signing_secret(given: Secret) -> Secret:
    """Return a signing secret that someone else made. Raise InvalidInput."""
    text = given.reveal()
    if not text.startswith(SECRET_PREFIX):
        raise InvalidInput("secret", _SECRET_RULE)
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""  # refused below: the decoder's own error may carry the text
    if len(key) not in _SECRET_SIZES:
        raise InvalidInput("secret", _SECRET_RULE)
    return given


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, authority and target; the scheme of what is no URL is ""."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "", "", ""
    authority = _AUTHORITY_ENDS.split(rest, maxsplit=1)[0]
    return scheme.lower(), authority, rest[len(authority) :]
