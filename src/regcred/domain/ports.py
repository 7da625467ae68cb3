"""What the domain needs from the outside world, as protocols that adapters implement.

Three rules hold for every port. Data is read only inside a project that the caller names. A
write takes the AuditEvent that commits with it, so that a change without its trace cannot be
written. Methods are `async` because a store may be far away; the embedded one answers reads
without ever suspending.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from regcred.domain.access import ApiKey
from regcred.domain.audit import AuditEvent, AuditRow, Reveal
from regcred.domain.credential import Delivery, Draft, RegistryCredential
from regcred.domain.project import Project
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.use import Use
from regcred.domain.verdict import Standing, Verdict, VerdictKind

Clock = Callable[[], datetime]
"""Returns now, aware, in UTC, to the microsecond."""

NewId = Callable[[], UUID]
"""Returns a fresh UUIDv7."""

RandomBytes = Callable[[int], bytes]
"""Returns that many bytes from the system's secure source."""


class WrappedSeed(NamedTuple):
    """A 32-byte seed as the store holds it: wrapped by the key-encryption key `kid`."""

    kid: str
    generation: int
    wrapped: bytes


class SealContext(NamedTuple):
    """The place a sealed value belongs to; every part is bound into its associated data."""

    project_id: str
    credential_id: str
    field: str
    secret_version: int
    delivery: Delivery


class SealedSecret(NamedTuple):
    """A secret as the store holds it, with the seed that it opens under."""

    secret_version: int
    seed: WrappedSeed
    sealed: bytes


class Sealer(Protocol):
    """The only cryptography on credentials' secrets (docs/sealing.md)."""

    async def new_seed(self, project_id: str) -> WrappedSeed:
        """Make a project's seed. Raise KeyringUnavailable."""
        ...

    async def seal(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes:
        """Seal a secret to its place. Raise SealBroken, KeyringUnavailable."""
        ...

    async def open(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret:
        """Open a sealed secret. Raise SealBroken, KeyringUnavailable."""
        ...


class KeyDigests(Protocol):
    """Digests of API keys' secrets: HMAC-SHA-256 with a pepper that the store does not hold."""

    def digest(self, secret: str) -> bytes:
        """Return the 32 bytes that are stored for a key."""
        ...

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Compare in constant time; None (no such key) costs the same and is False."""
        ...


class Cursors(Protocol):
    """Sealed page positions: opaque, bound to one project and one list, useless elsewhere."""

    def seal(self, project_id: str, listing: str, position: str) -> str:
        """Return URL-safe text."""
        ...

    def open(self, project_id: str, listing: str, cursor: str) -> str:
        """Return the position. Raise InvalidInput(`cursor`) for anything not sealed here."""
        ...


class Registries(Protocol):
    """Real registries, as far as a login concerns them."""

    def check(self, draft: Draft) -> Draft:
        """Check what was typed in by its provider's rules. Raise InvalidInput.

        Return the draft whole: one without a registry is for the provider's own.
        """
        ...

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        """Ask the registry about the login. Every outcome is a verdict; never raises for one.

        Raise QuotaExceeded when too many checks of one host are under way.
        """
        ...


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


class StoredKey(NamedTuple):
    """A key with the digest of its secret."""

    key: ApiKey
    digest: bytes


class Candidate(NamedTuple):
    """A login whose scope takes in an image: what resolve and explain rank.

    Lean, because the hot path makes one for every match.
    """

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    matched: str
    """The matching scope, as text; one of `delivery.scopes`."""

    delivery: Delivery
    standing: Standing
    secret_version: int
    seed: WrappedSeed
    """The seed that `sealed` opens under."""

    sealed: bytes


class ResolveRead(NamedTuple):
    """All that one resolve needs, from one fresh read."""

    key: StoredKey | None
    project_id: str | None
    candidates: Sequence[Candidate]


ProjectRef = UUID | int
"""A project by id or by number."""

CredentialRef = UUID | str
"""A credential by id or by name; a text that is an id is tried as an id first."""


SWAP_ATTEMPTS = 5
"""How often a use case reads and swaps again when someone else was faster, before giving up."""


class Store(Protocol):
    """Everything durable. One conformance suite runs on every implementation.

    Each write is one transaction with its audit row, durable when the method returns, and either
    whole or not there at all. Versions: an `expected_version` of None means "whatever it is".
    """

    # Projects

    async def create_project(
        self, project: Project, seed: WrappedSeed, event: AuditEvent
    ) -> Project:
        """Store a project under the next number (`project.number` is ignored). Raise NameTaken."""
        ...

    async def find_project(self, ref: ProjectRef) -> Project:
        """Raise ProjectNotFound."""
        ...

    async def list_projects(self, after: int, limit: int) -> Sequence[Project]:
        """Return projects with a number above `after`, in number order."""
        ...

    async def update_project(
        self, project: Project, expected_version: int | None, event: AuditEvent
    ) -> Project:
        """Store name, require_if_match and updated_at; count the version up.

        Raise ProjectNotFound, VersionMismatch, NameTaken.
        """
        ...

    async def delete_project(
        self, project_id: UUID, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Delete an empty project with its keys and its seed (its audit rows stay).

        Raise ProjectNotFound, VersionMismatch, ProjectNotEmpty.
        """
        ...

    async def project_seed(self, project_id: UUID) -> WrappedSeed:
        """Return the newest seed, under which new secrets are sealed. Raise ProjectNotFound."""
        ...

    # Keys

    async def create_key(
        self,
        key: ApiKey,
        digest: bytes,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> ApiKey:
        """Raise ProjectNotFound, AlreadyDone."""
        ...

    async def find_key(self, project_id: UUID, key_id: str) -> ApiKey:
        """Raise KeyNotFound, also for another project's key."""
        ...

    async def list_keys(self, project_id: UUID, after: str, limit: int) -> Sequence[ApiKey]:
        """Return keys with an id above `after` ("" for the start), in id order."""
        ...

    async def update_key(
        self, key: ApiKey, expected_version: int | None, event: AuditEvent
    ) -> ApiKey:
        """Store name, image_patterns, expires_at, disabled; count the version up.

        Raise KeyNotFound, VersionMismatch.
        """
        ...

    async def delete_key(
        self, project_id: UUID, key_id: str, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Raise KeyNotFound, VersionMismatch."""
        ...

    async def key_for_authentication(self, key_id: str) -> StoredKey | None:
        """Return the key of that public id, in whatever project; None if there is none."""
        ...

    # Credentials

    async def create_credential(
        self,
        credential: RegistryCredential,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> RegistryCredential:
        """Store under the project's next number (`credential.number` is ignored).

        Raise ProjectNotFound, NameTaken, AlreadyDone (looked for before the name).
        """
        ...

    async def find_credential(self, project_id: UUID, ref: CredentialRef) -> RegistryCredential:
        """Raise CredentialNotFound. A text in the form of a UUID is an id before it is a name."""
        ...

    async def list_credentials(
        self, project_id: UUID, narrowed: CredentialFilter, after: int, limit: int
    ) -> Sequence[RegistryCredential]:
        """Return credentials with a number above `after`, in number order."""
        ...

    async def update_credential(
        self,
        credential: RegistryCredential,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential:
        """Store every field of `credential` but its number, created_at, standing and last use.

        The version counts up by one. With a `secret`, the old one is gone; if its
        secret_version is new, the standing is reset (a re-sealed secret keeps both).
        Raise CredentialNotFound, VersionMismatch, NameTaken.
        """
        ...

    async def delete_credential(
        self,
        project_id: UUID,
        credential_id: UUID,
        expected_version: int | None,
        event: AuditEvent,
        *,
        with_uses: bool = False,
    ) -> None:
        """Delete a credential, its secret and its verdicts.

        Raise CredentialNotFound, VersionMismatch, CredentialInUse (unless `with_uses`, which
        deletes the uses too; expired leases never count and are swept here).
        """
        ...

    async def sealed_secret(self, project_id: UUID, credential_id: UUID) -> SealedSecret:
        """Raise CredentialNotFound."""
        ...

    async def record_verdict(
        self,
        project_id: UUID,
        credential_id: UUID,
        secret_version: int,
        verdict: Verdict,
        event: AuditEvent,
    ) -> None:
        """Add to the history and move the standing, in one transaction.

        A verdict about a secret that was replaced meanwhile joins the history alone. The history
        keeps the newest 100 of a credential. Raise CredentialNotFound.
        """
        ...

    async def list_verdicts(
        self, project_id: UUID, credential_id: UUID, before: int, limit: int
    ) -> Sequence[tuple[int, Verdict]]:
        """Return (number, verdict), newest first, numbers below `before` (0: from the newest)."""
        ...

    # Uses

    async def put_use(
        self, project_id: UUID, credential_id: UUID, use: Use, event: AuditEvent
    ) -> None:
        """Declare or renew a use. Raise CredentialNotFound."""
        ...

    async def delete_use(
        self, project_id: UUID, credential_id: UUID, kind: str, name: str, event: AuditEvent
    ) -> None:
        """Raise CredentialNotFound, UseNotFound."""
        ...

    async def list_uses(
        self, project_id: UUID, credential_id: UUID, now: datetime
    ) -> Sequence[Use]:
        """Return live uses by kind and name. Raise CredentialNotFound."""
        ...

    # Pulling

    async def read_for_resolve(
        self,
        key_id: str,
        project: ProjectRef | None,
        address: RegistryAddress,
        repository: str | None,
    ) -> ResolveRead:
        """Read key, project, seed and every candidate for an image in one statement.

        `project` None means the key's home. `repository` None asks by host alone: every scope at
        the address. At most 64 candidates for an image, 256 for a host. The key and the project
        are not compared here: the use case decides who may see what.
        """
        ...

    async def record_reveal(self, reveal: Reveal) -> None:
        """Commit the audit row of an answer before it leaves; also moves the last use.

        Reveals waiting for the same commit that agree in everything but request and time become
        one row with a count and the first and last request id.
        """
        ...

    # Audit and requests

    async def record(self, event: AuditEvent) -> None:
        """Commit an audit row for something that changed no data."""
        ...

    async def list_audit(
        self, project_id: UUID, narrowed: AuditFilter, before: int, limit: int
    ) -> Sequence[AuditRow]:
        """Return rows newest first, numbers below `before` (0: from the newest)."""
        ...

    async def find_idempotent(self, principal: str, key: str) -> AlreadyDone | None:
        """Return what an Idempotency-Key did within its 24 hours, if anything."""
        ...

    # Health

    async def check(self) -> None:
        """Pass if the store can be read and written. Raise StoreUnavailable."""
        ...
