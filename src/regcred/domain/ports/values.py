"""What goes into the store and comes out of it, besides the domain's own things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.credential import Delivery, RegistryCredential
from regcred.domain.event import EventKind
from regcred.domain.ports.sealing import SealedSecret, StoredKey, WrappedSeed
from regcred.domain.registry import RegistryAddress
from regcred.domain.verdict import Standing, VerdictKind


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A write that may be sent again: `digest` is an HMAC over the whole request."""

    principal: str
    key: str
    digest: bytes


class AlreadyDone(Exception):
    """The store has done this IdempotentRequest's key before."""

    def __init__(self, digest: bytes, resource_id: str) -> None:
        self.digest = digest
        self.resource_id = resource_id
        super().__init__("done before")


class Creation(NamedTuple):
    """A credential to store, with its secret and the event that tells of it."""

    credential: RegistryCredential
    secret: SealedSecret
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class CredentialFilter:
    """What a list of credentials is narrowed to; None means any. Parts are ANDed."""

    name: str | None = None
    """Exactly this name."""

    provider: str | None = None
    registry: RegistryAddress | None = None
    """Has a scope at this host and port (patterns are compared as they are written)."""

    username: str | None = None
    label: tuple[str, str | None] | None = None
    """Has this label; with this value unless None."""

    verdict: VerdictKind | None = None
    expiring_before: datetime | None = None
    unused_since: datetime | None = None
    """Not handed out at or after this time (or ever)."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What a list of audit rows is narrowed to; None means any."""

    action: str | None = None
    principal: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a list of events is narrowed to; None means any."""

    kind: EventKind | None = None
    credential_id: UUID | None = None


class Planned(NamedTuple):
    """A step of planning checks anew."""

    project: int
    """The number of the project that it was for."""

    looked_at: int


class DueCheck(NamedTuple):
    """An automatic check that this worker claimed, and nobody else while the claim lasts."""

    project_id: UUID
    credential_id: UUID
    image: str | None
    """What a person last saw the login pull."""

    every: timedelta
    failures: int
    until: datetime
    """When the claim ends: unfinished, the check is due again then."""


class Candidate(NamedTuple):
    """A login whose scope takes in an image: what resolve and explain rank.

    Lean, because the hot path makes one for every match.
    """

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    matched: str
    """The matching scope, as text; one of `delivery.scopes` ("": read by id, and has none)."""

    delivery: Delivery
    standing: Standing
    secret_version: int
    seed: WrappedSeed
    """The seed that `sealed` opens under."""

    sealed: bytes


class ResolveQuestion(NamedTuple):
    """What one resolve reads for: see `Store.read_for_resolve`."""

    key_id: str | None
    project: ProjectRef | None
    address: RegistryAddress
    repository: str | None


class ResolveRead(NamedTuple):
    """All that one resolve needs, from one fresh read."""

    key: StoredKey | None
    project_id: str | None
    candidates: Sequence[Candidate]


class LoginPlace(NamedTuple):
    """Which exchanged login: of a credential, at one of its places (a region; "" for its only)."""

    project_id: str
    credential_id: str
    place: str


class KeptLogin(NamedTuple):
    """What is stored of an exchange: the sealed login it gave, how it failed, when it is due."""

    secret_version: int
    """Of the secret that was exchanged: a login of another is not handed out."""

    seed: WrappedSeed | None
    sealed: bytes | None
    refresh_at: datetime | None
    """When to exchange (again); None: not before the secret changes or a person verifies it."""

    failures: int
    """In a row, since the last login."""

    failure: VerdictKind | None
    failure_note: str
    claimed_until: datetime | None
    """Someone is exchanging, and is given up on after this time."""

    expires_at: datetime | None = None
    """When what is sealed ends, for who may not open it."""


ProjectRef = UUID | int
"""A project by id or by number."""

CredentialRef = UUID | str | int
"""A credential by id, name or number; a text that is an id is tried as an id first."""


SWAP_ATTEMPTS = 100
"""How often a use case reads and swaps again when someone else was faster, before giving up."""
