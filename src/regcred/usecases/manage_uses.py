"""Declare and release the deployments that use a credential."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from regcred.domain import text
from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import CredentialNotFound, InvalidInput
from regcred.domain.ports import Clock, CredentialRef, ProjectRef, Store
from regcred.domain.use import Use
from regcred.usecases.manage_projects import reach_project

MAX_LEASE = 366 * 24 * 3600
"""Seconds."""


class ManageUses:
    """Who needs a credential to stay."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def put(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        kind: str,
        name: str,
        *,
        lease_seconds: int | None = None,
    ) -> Use:
        """Declare a use, or renew its lease. Raise CredentialNotFound, InvalidInput."""
        found = await self._reach(caller, ref, credential, Permission.WRITE)
        if lease_seconds is not None and not 1 <= lease_seconds <= MAX_LEASE:
            raise InvalidInput("lease_seconds", f"must be 1 to {MAX_LEASE}")
        now = self._clock()
        kind, name = _user(kind, name)
        lease = None if lease_seconds is None else now + timedelta(seconds=lease_seconds)
        use = Use(kind, name, now, lease)
        event = AuditEvent.by(
            caller, Action.USE_PUT, found.project_id, now, str(found.id), kind=kind, name=name
        )
        await self._store.put_use(found.project_id, found.id, use, event)
        return use

    async def delete(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        kind: str,
        name: str,
    ) -> None:
        """Release a use. Raise CredentialNotFound, UseNotFound, InvalidInput."""
        found = await self._reach(caller, ref, credential, Permission.WRITE)
        kind, name = _user(kind, name)
        event = AuditEvent.by(
            caller,
            Action.USE_DELETED,
            found.project_id,
            self._clock(),
            str(found.id),
            kind=kind,
            name=name,
        )
        await self._store.delete_use(found.project_id, found.id, kind, name, event)

    async def list(
        self, caller: Caller, ref: ProjectRef | None, credential: CredentialRef
    ) -> Sequence[Use]:
        """Return live uses by kind and name. Raise CredentialNotFound."""
        found = await self._reach(caller, ref, credential, Permission.READ)
        return await self._store.list_uses(found.project_id, found.id, self._clock())

    async def _reach(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        permission: Permission,
    ) -> RegistryCredential:
        project = await reach_project(self._store, caller, ref, permission)
        found = await self._store.find_credential(project.id, credential)
        if not caller.may_see(found):
            raise CredentialNotFound
        return found


def _user(kind: str, name: str) -> tuple[str, str]:
    """Return who uses a credential, in the one spelling that is stored. Raise InvalidInput."""
    return (
        text.printable(kind, field="kind", maximum=63),
        text.printable(name, field="name", maximum=255),
    )
