"""The store's part in tenants: their projects and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from regcred.domain.access import ApiKey
from regcred.domain.audit import AuditEvent
from regcred.domain.ports.sealing import StoredKey, WrappedSeed
from regcred.domain.ports.values import IdempotentRequest, ProjectRef
from regcred.domain.project import Project


class ProjectStore(Protocol):
    """Projects and their seeds."""

    async def create_project(
        self,
        project: Project,
        seed: WrappedSeed,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Project:
        """Store a project under the next number (`project.number` is ignored).

        Raise NameTaken, AlreadyDone (looked for before the name).
        """
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
        """Store name, require_if_match, recheck_every and updated_at; count the version up.

        Another recheck_every is planned by `plan_checks`.

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


class KeyStore(Protocol):
    """API keys."""

    async def create_key(
        self,
        stored: StoredKey,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> ApiKey:
        """Raise ProjectNotFound, AlreadyDone."""
        ...

    async def find_key(self, project_id: UUID, key_id: str) -> StoredKey:
        """Raise KeyNotFound, also for another project's key."""
        ...

    async def list_keys(self, project_id: UUID, after: str, limit: int) -> Sequence[ApiKey]:
        """Return keys with an id above `after` ("" for the start), in id order."""
        ...

    async def update_key(
        self, stored: StoredKey, expected_version: int | None, event: AuditEvent
    ) -> ApiKey:
        """Store name, image_patterns, expires_at, disabled and the stamp; count the version up.

        The stamp is over the version after this write, so `expected_version` goes with it.
        The digest and the rest of the key stay as they were made.

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
