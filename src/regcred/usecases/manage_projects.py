"""Create, read, change and delete projects, and reach the one that a request names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from regcred.domain import text
from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.errors import (
    AccessDenied,
    IdempotencyConflict,
    InvalidInput,
    StoreUnavailable,
    VersionMismatch,
)
from regcred.domain.ports import (
    SWAP_ATTEMPTS,
    AlreadyDone,
    Clock,
    IdempotentRequest,
    NewId,
    ProjectRef,
    Sealer,
    Store,
)
from regcred.domain.project import Project
from regcred.domain.project import recheck_every as valid_interval


async def reach_project(
    store: Store, caller: Caller, ref: ProjectRef | None, permission: Permission
) -> Project:
    """Return the project that `ref` names (None: the key's home) if the caller may do this there.

    Raise ProjectNotFound for a missing project and for another's alike, else AccessDenied.
    """
    project = await store.find_project(caller.project_id if ref is None else ref)
    caller.require(permission, project.id)
    return project


@dataclass(frozen=True, slots=True)
class CreatedProject:
    """A new project; or, `replayed`, the one that an earlier request made, as it is now."""

    project: Project
    replayed: bool


class ManageProjects:
    """What operators do to projects, and what anyone may see of their own."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._new_id = new_id

    async def create(
        self, caller: Caller, name: str, idempotent: IdempotentRequest | None = None
    ) -> CreatedProject:
        """Make an empty project with a seed of its own.

        Raise AccessDenied, InvalidInput, NameTaken, IdempotencyConflict; ProjectNotFound when
        what an earlier request made is gone.
        """
        caller.require_operator()
        now = self._clock()
        project = Project(self._new_id(), 0, text.name(name), now, now)
        seed = await self._sealer.new_seed(str(project.id))
        event = AuditEvent.by(caller, Action.PROJECT_CREATED, project.id, now, str(project.id))
        try:
            made = await self._store.create_project(project, seed, event, idempotent)
        except AlreadyDone as done:
            if idempotent is None or done.digest != idempotent.digest:
                raise IdempotencyConflict from done
            earlier = await self._store.find_project(UUID(done.resource_id))
            return CreatedProject(earlier, replayed=True)
        return CreatedProject(made, replayed=False)

    async def get(self, caller: Caller, ref: ProjectRef | None) -> Project:
        """Raise ProjectNotFound."""
        return await reach_project(self._store, caller, ref, Permission.READ)

    async def list(self, caller: Caller, after: int, limit: int) -> Sequence[Project]:
        """Return projects by number: all of them for an operator, else the caller's own."""
        if caller.operator:
            return await self._store.list_projects(after, limit)
        own = await self._store.find_project(caller.project_id)
        return [own] if own.number > after else []

    async def update(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        expected_version: int | None,
        *,
        name: str | None = None,
        require_if_match: bool | None = None,
        recheck_every: int | None = None,
    ) -> Project:
        """Change what is given; names, unique among all projects, are the operator's to change.

        Raise ProjectNotFound, AccessDenied, VersionMismatch, NameTaken, InvalidInput.
        """
        for _ in range(SWAP_ATTEMPTS):
            project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
            if caller.image_patterns:
                # What is set here holds for logins that such a key may not see.
                raise AccessDenied("a key that is not narrowed to images")
            if name is not None:
                # Else a tenant could learn other tenants' names by trying to take them.
                caller.require_operator()
            now = self._clock()
            changed = replace(
                project,
                name=project.name if name is None else text.name(name),
                require_if_match=(
                    project.require_if_match if require_if_match is None else require_if_match
                ),
                recheck_every=(
                    project.recheck_every
                    if recheck_every is None
                    else valid_interval(recheck_every)
                ),
                updated_at=now,
            )
            event = AuditEvent.by(
                caller,
                Action.PROJECT_UPDATED,
                project.id,
                now,
                str(project.id),
                name=changed.name,
                require_if_match=changed.require_if_match,
                recheck_every=changed.recheck_every,
            )
            # Compare-and-swap even without If-Match: two changes at once must both count.
            try:
                version = project.version if expected_version is None else expected_version
                return await self._store.update_project(changed, version, event)
            except VersionMismatch:
                if expected_version is not None:
                    raise
        raise StoreUnavailable("others change it without a pause")

    async def delete(
        self, caller: Caller, ref: ProjectRef | None, expected_version: int | None
    ) -> None:
        """Delete an empty project, its keys and its seed.

        The caller's own home stays: it would take the caller's key with it. Raise
        ProjectNotFound, VersionMismatch, ProjectNotEmpty, AccessDenied, InvalidInput.
        """
        caller.require_operator()
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        if project.id == caller.project_id:
            raise InvalidInput("project", "must not be the home of the key that deletes it")
        event = AuditEvent.by(
            caller, Action.PROJECT_DELETED, project.id, self._clock(), str(project.id)
        )
        await self._store.delete_project(project.id, expected_version, event)
