"""Read what happened in a project."""

from __future__ import annotations

from collections.abc import Sequence

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import NO_PROJECT, AuditRow
from regcred.domain.ports import AuditFilter, ProjectRef, Store
from regcred.usecases.manage_projects import reach_project


class ReadAudit:
    """The trace of a project, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        narrowed: AuditFilter,
        before: int,
        limit: int,
    ) -> Sequence[AuditRow]:
        """Return rows below number `before` (0: from the newest).

        The audit tells who pulled what from where: admins alone read it, and operators what is of
        no project (NO_PROJECT). Raise ProjectNotFound, AccessDenied.
        """
        if ref == NO_PROJECT and caller.operator:
            caller.require_operator()
            return await self._store.list_audit(NO_PROJECT, narrowed, before, limit)
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        return await self._store.list_audit(project.id, narrowed, before, limit)
