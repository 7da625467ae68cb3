"""Projects, and the seeds that their secrets are sealed under."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, at_version, name_taken
from regcred.adapters.storage.sql.rows import PROJECT, micros, project
from regcred.adapters.storage.sql.transaction import Clash, Transaction
from regcred.domain.audit import AuditEvent
from regcred.domain.errors import ProjectNotEmpty, ProjectNotFound
from regcred.domain.ports import IdempotentRequest, ProjectRef, WrappedSeed
from regcred.domain.project import Project

_INSERT = """
    INSERT INTO projects (
        id, name, require_if_match, recheck_every, created_at, updated_at, version
    ) VALUES (?, ?, ?, ?, ?, ?, 1)
"""
_INSERT_SEED = """
    INSERT INTO project_seeds (project_id, generation, kid, wrapped) VALUES (?, ?, ?, ?)
"""
_BY_ID = f"SELECT {PROJECT} FROM projects WHERE id = ?"  # noqa: S608  constants alone
_BY_NUMBER = f"SELECT {PROJECT} FROM projects WHERE number = ?"  # noqa: S608  constants alone
_PAGE = (
    f"SELECT {PROJECT} FROM projects WHERE number > ? "  # noqa: S608  constants alone
    "ORDER BY number LIMIT ?"
)
_VERSION = "SELECT version, credential_count FROM projects WHERE id = ?"
_UPDATE = """
    UPDATE projects SET
        name = ?1, require_if_match = ?2, updated_at = ?4, version = version + 1,
        replan_after = iif(recheck_every = ?3, replan_after, 0), recheck_every = ?3
    WHERE id = ?5
"""
_DELETE = (
    "DELETE FROM api_keys WHERE project_id = ?",
    "DELETE FROM workloads WHERE project_id = ?",
    "DELETE FROM webhooks WHERE project_id = ?",
    "DELETE FROM events WHERE project_id = ?",
    "DELETE FROM project_seeds WHERE project_id = ?",
    "DELETE FROM projects WHERE id = ?",
)
_SEED = """
    SELECT kid, generation, wrapped FROM project_seeds WHERE project_id = ?
    ORDER BY generation DESC LIMIT 1
"""


class Projects(Access):
    """The port's methods on projects."""

    async def create_project(
        self,
        project: Project,
        seed: WrappedSeed,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Project:
        """Store a project under the next number. Raise NameTaken, AlreadyDone."""
        project_id = str(project.id)

        async def work(transaction: Transaction) -> Project:
            await self._refuse_repeated(transaction, idempotent)
            try:
                await transaction.change(
                    _INSERT,
                    (
                        project_id,
                        project.name,
                        project.require_if_match,
                        project.recheck_every,
                        micros(project.created_at),
                        micros(project.updated_at),
                    ),
                )
            except Clash as error:
                raise name_taken(error, "project") from error
            await transaction.change(
                _INSERT_SEED, (project_id, seed.generation, seed.kid, seed.wrapped)
            )
            await self._remember(transaction, idempotent, project_id)
            await transaction.audit(event)
            return await _stored(transaction, project_id)

        return await self._write(work, of=project.id)

    async def find_project(self, ref: ProjectRef) -> Project:
        """Raise ProjectNotFound."""
        if isinstance(ref, UUID):
            row = await self._one(_BY_ID, (str(ref),), of=ref)
        else:
            row = await self._one(_BY_NUMBER, (ref,))
        if row is None:
            raise ProjectNotFound
        return project(row)

    async def list_projects(self, after: int, limit: int) -> Sequence[Project]:
        """Return projects with a number above `after`, in number order."""
        return list(map(project, await self._all(_PAGE, (after, limit))))

    async def update_project(
        self, project: Project, expected_version: int | None, event: AuditEvent
    ) -> Project:
        """Raise ProjectNotFound, VersionMismatch, NameTaken."""
        project_id = str(project.id)

        async def work(transaction: Transaction) -> Project:
            at_version(
                await transaction.one(_VERSION, (project_id,)), expected_version, ProjectNotFound()
            )
            try:
                await transaction.change(
                    _UPDATE,
                    (
                        project.name,
                        project.require_if_match,
                        project.recheck_every,
                        micros(project.updated_at),
                        project_id,
                    ),
                )
            except Clash as error:
                raise name_taken(error, "project") from error
            await transaction.audit(event)
            return await _stored(transaction, project_id)

        return await self._write(work, of=project.id)

    async def delete_project(
        self, project_id: UUID, expected_version: int | None, event: AuditEvent
    ) -> None:
        """Raise ProjectNotFound, VersionMismatch, ProjectNotEmpty."""

        async def work(transaction: Transaction) -> None:
            found = at_version(
                await transaction.one(_VERSION, (str(project_id),)),
                expected_version,
                ProjectNotFound(),
            )
            if found[1]:
                raise ProjectNotEmpty
            for statement in _DELETE:
                await transaction.change(statement, (str(project_id),))
            # Without its seed nothing sealed for the project opens again, in any copy.
            transaction.secrets_died = True
            await transaction.audit(event)

        await self._write(work, of=project_id)

    async def project_seed(self, project_id: UUID) -> WrappedSeed:
        """Return the newest seed. Raise ProjectNotFound."""
        row = await self._one(_SEED, (str(project_id),), of=project_id)
        if row is None:
            raise ProjectNotFound
        return WrappedSeed(*row)


async def _stored(transaction: Transaction, project_id: str) -> Project:
    return project(
        at_version(await transaction.one(_BY_ID, (project_id,)), None, ProjectNotFound())
    )
