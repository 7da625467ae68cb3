"""The store, noun by noun; `Store` is all of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from regcred.domain.audit import AuditEvent, AuditRow, Reveal
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import RegcredError
from regcred.domain.event import Event
from regcred.domain.ports.fetches import FetchStore
from regcred.domain.ports.hearing import CheckStore, EventStore
from regcred.domain.ports.logins import LoginStore
from regcred.domain.ports.pods import PodStore
from regcred.domain.ports.sealing import SealedSecret
from regcred.domain.ports.tenancy import KeyStore, ProjectStore
from regcred.domain.ports.values import (
    AlreadyDone,
    AuditFilter,
    Candidate,
    Creation,
    CredentialFilter,
    CredentialRef,
    IdempotentRequest,
    ProjectRef,
    ResolveQuestion,
    ResolveRead,
)
from regcred.domain.ports.waves import Waiting
from regcred.domain.ports.webhooks import WebhookStore
from regcred.domain.ports.wrong_keys import WrongKeyStore
from regcred.domain.registry import RegistryAddress
from regcred.domain.use import Use
from regcred.domain.verdict import Verdict


class CredentialStore(Protocol):
    """Credentials, their sealed secrets and their verdicts."""

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

    async def create_credentials(
        self, wave: Sequence[Waiting[Creation, RegistryCredential]]
    ) -> None:
        """Store many, and tell each, once it is known, what `create_credential` would.

        What is raised is raised to all that were told nothing.
        """
        ...

    async def find_credential(self, project_id: UUID, ref: CredentialRef) -> RegistryCredential:
        """Raise CredentialNotFound. A text in the form of a UUID is an id before it is a name."""
        ...

    async def credentials_of(
        self, project_id: UUID, ids: Collection[UUID]
    ) -> Sequence[RegistryCredential]:
        """Return those of the project's credentials that have one of the ids, by one read."""
        ...

    async def list_credentials(
        self, project_id: UUID, narrowed: CredentialFilter, after: int, limit: int
    ) -> Sequence[RegistryCredential]:
        """Return credentials with a number above `after`, in number order."""
        ...

    async def credentials_at(
        self, project_id: UUID, offset: int, limit: int
    ) -> Sequence[RegistryCredential]:
        """Return credentials in number order without the first `offset`: for wires that count."""
        ...

    async def count_credentials(self, project_id: UUID) -> int:
        """Return how many there are, from a kept counter. Raise ProjectNotFound."""
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
        secret_version is new, the standing is reset and checks are planned anew (a re-sealed
        secret keeps all three). Another expires_at begins its notices anew.
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
        *,
        automatic: bool = False,
    ) -> Sequence[Event]:
        """Add to the history; move the standing and the plan; add what is news of it: as one.

        Return the news, stored. `automatic`: nobody asked for this check. The image with which a
        person's check proved a pull is the one of the automatic checks from then on. A verdict
        about a secret that was replaced meanwhile joins the history alone. The history keeps the
        newest 100 of a credential. Raise CredentialNotFound.
        """
        ...

    async def list_verdicts(
        self, project_id: UUID, credential_id: UUID, before: int, limit: int
    ) -> Sequence[tuple[int, Verdict]]:
        """Return (number, verdict), newest first, numbers below `before` (0: from the newest)."""
        ...


class UseStore(Protocol):
    """Deployments that need a credential to stay."""

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


class PullStore(Protocol):
    """The hot path: one read and one write."""

    async def read_for_resolve(
        self,
        key_id: str | None,
        project: ProjectRef | None,
        address: RegistryAddress,
        repository: str | None,
    ) -> ResolveRead:
        """Read key, project, seed and every candidate for an image in one statement.

        `project` None means the key's home. `key_id` None (someone who asks without a key, and
        names the project) reads no key. `repository` None asks by host alone: every scope at
        the address. At most 64 candidates for an image, 256 for a host. Of a project that is
        neither the key's home nor an operator's to reach nothing is read, as of one that is
        missing: the use case refuses both alike, and neither takes longer.
        """
        ...

    async def read_for_resolves(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead | RegcredError]:
        """Read for many at once; each gets what `read_for_resolve` would return or raise.

        Nothing is older than the call.
        """
        ...

    async def read_logins(self, project_id: UUID, ids: Collection[UUID]) -> Sequence[Candidate]:
        """Return those of the project's logins that have one of the ids, by one read.

        Each stands there once for every scope, and one that has none with "" for it.
        """
        ...

    async def record_reveal(self, reveal: Reveal) -> None:
        """Commit the audit row of an answer before it leaves; also moves last uses and fetches.

        Reveals waiting for the same commit that agree in everything but request and time become
        one row with a count and the first and last request id. Last uses and fetches move at most
        once a minute each; of a credential, the 1,000 newest fetches are kept, and older ones until
        the store gets to them. A credential that is gone has neither, and the audit row all the
        same.
        """
        ...

    async def record_reveals(self, reveals: Sequence[Reveal]) -> Sequence[Exception | None]:
        """Do what `record_reveal` does for each, by one commit for all.

        Return for each None, or what it would raise where that is its own fault. Raise what is
        nobody's: then none is committed for certain, and no login may leave.
        """
        ...

    async def record_use(self, reveal: Reveal) -> None:
        """Move last uses and fetches of logins that the client has already: no audit row.

        At most once a minute as there. Raises nothing: what cannot be written is forgotten, for
        nothing is handed out.
        """
        ...


class AuditStore(Protocol):
    """What happened, and which requests were done before."""

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


class Store(
    ProjectStore,
    KeyStore,
    CredentialStore,
    UseStore,
    PullStore,
    FetchStore,
    LoginStore,
    AuditStore,
    EventStore,
    CheckStore,
    WebhookStore,
    PodStore,
    WrongKeyStore,
    Protocol,
):
    """Everything durable. One conformance suite runs on every implementation.

    Each write is one transaction with its audit row, durable when the method returns, and either
    whole or not there at all. Versions: an `expected_version` of None means "whatever it is".
    """

    async def check(self) -> None:
        """Pass if the store can be read and written. Raise StoreUnavailable."""
        ...
