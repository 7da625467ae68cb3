"""Let service accounts pull, see which may, and withdraw it: a project's admins.

No key gives more than it has (security facts, A04): one narrowed to images lets nobody pull
others, and one that ends lets nobody pull for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from regcred.domain import workload as rules
from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.errors import (
    AccessDenied,
    ClusterNotFound,
    IdempotencyConflict,
    InvalidInput,
    NameTaken,
    WorkloadNotFound,
)
from regcred.domain.ports import (
    AlreadyDone,
    Clock,
    IdempotentRequest,
    NewId,
    PodStamps,
    ProjectRef,
    Store,
    StoredWorkload,
)
from regcred.domain.registry import ImagePattern
from regcred.domain.workload import EVERY_IMAGE, Workload
from regcred.usecases.manage_projects import reach_project

_PAGE = 200


@dataclass(frozen=True, slots=True)
class WorkloadDraft:
    """A service account as someone wants to let it pull."""

    cluster: str
    namespace: str
    service_account: str
    image_patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllowedWorkload:
    """A workload; `replayed`: an earlier request with the same Idempotency-Key had made it."""

    workload: Workload
    replayed: bool


class ManageWorkloads:
    """What admins do to their project's workloads."""

    def __init__(self, store: Store, stamps: PodStamps, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._stamps = stamps
        self._clock = clock
        self._new_id = new_id

    async def allow(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: WorkloadDraft,
        idempotent: IdempotentRequest | None = None,
    ) -> AllowedWorkload:
        """Let a service account pull.

        Raise ProjectNotFound, AccessDenied, InvalidInput (`cluster`: there is none of that name),
        NameTaken (it stands there already), IdempotencyConflict, WorkloadNotFound when what an
        earlier request made is gone.
        """
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        if caller.expires_at is not None:
            raise AccessDenied("a key that does not expire, as a workload does not")
        patterns = rules.image_patterns(draft.image_patterns)
        _refuse_wider(caller, patterns)
        workload = Workload(
            self._new_id(),
            project.id,
            await self._cluster_id(draft.cluster),
            draft.cluster,
            rules.namespace(draft.namespace),
            rules.service_account(draft.service_account),
            patterns,
            self._clock(),
        )
        stored = StoredWorkload(workload, self._stamps.workload(workload))
        event = self._audited(caller, Action.WORKLOAD_ALLOWED, workload)
        try:
            made = await self._store.create_workload(stored, event, idempotent)
        except ClusterNotFound:
            raise _no_such_cluster() from None
        except NameTaken:
            raise NameTaken("workload", await self._stands(workload)) from None
        except AlreadyDone as done:
            if idempotent is None or done.digest != idempotent.digest:
                raise IdempotencyConflict from done
            earlier = await self._store.find_workload(project.id, UUID(done.resource_id))
            return AllowedWorkload(earlier, replayed=True)
        return AllowedWorkload(made, replayed=False)

    async def get(self, caller: Caller, ref: ProjectRef | None, workload: str) -> Workload:
        """Raise ProjectNotFound, WorkloadNotFound, AccessDenied."""
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        return await self._store.find_workload(project.id, _id(workload))

    async def list(
        self, caller: Caller, ref: ProjectRef | None, after: str, limit: int
    ) -> Sequence[Workload]:
        """Return the project's workloads by id. Raise ProjectNotFound, AccessDenied."""
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        return await self._store.list_workloads(project.id, after, limit)

    async def withdraw(self, caller: Caller, ref: ProjectRef | None, workload: str) -> None:
        """Let it pull no more: the very next request is refused.

        Raise ProjectNotFound, WorkloadNotFound, AccessDenied.
        """
        found = await self.get(caller, ref, workload)
        event = self._audited(caller, Action.WORKLOAD_DELETED, found)
        await self._store.delete_workload(found.project_id, found.id, event)

    async def _stands(self, wanted: Workload) -> str:
        """Say which workload has these names; "" if it was withdrawn meanwhile."""
        after = ""
        while page := await self._store.list_workloads(wanted.project_id, after, _PAGE):
            for one in page:
                if _names(one) == _names(wanted):
                    return f"{'/'.join(_names(one)[1:])} has a workload already ({one.id})"
            after = str(page[-1].id)
        return ""

    async def _cluster_id(self, name: str) -> UUID:
        try:
            return (await self._store.find_cluster(name)).cluster.id
        except ClusterNotFound:
            raise _no_such_cluster() from None

    def _audited(self, caller: Caller, action: Action, of: Workload) -> AuditEvent:
        return AuditEvent.by(
            caller,
            action,
            of.project_id,
            self._clock(),
            str(of.id),
            service_account=f"{of.cluster}/{of.namespace}/{of.service_account}",
            image_patterns=tuple(map(str, of.image_patterns)),
        )


def _refuse_wider(caller: Caller, patterns: tuple[ImagePattern, ...]) -> None:
    if not caller.image_patterns:
        return
    if EVERY_IMAGE in patterns or not all(map(caller.may_receive, patterns)):
        raise AccessDenied("a key that is not narrowed to fewer images")


def _names(workload: Workload) -> tuple[str, str, str]:
    return workload.cluster, workload.namespace, workload.service_account


def _no_such_cluster() -> InvalidInput:
    return InvalidInput("cluster", "must be a cluster that the operator has set up")


def _id(text: str) -> UUID:
    """Return the id that a text spells in the usual form. Raise WorkloadNotFound."""
    try:
        id_ = UUID(text)
    except ValueError:
        raise WorkloadNotFound from None
    if str(id_) != text.lower():
        raise WorkloadNotFound
    return id_
