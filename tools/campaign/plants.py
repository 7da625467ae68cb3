"""Stores with a defect each, which the searches must find. Everything else is the good store's."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import UUID

from regcred.domain.audit import AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import CredentialInUse, ProjectNotFound
from regcred.domain.ports import (
    CredentialFilter,
    ProjectRef,
    ResolveQuestion,
    ResolveRead,
    SealedSecret,
    Store,
)
from regcred.domain.use import Use


class Planted:
    """A store in front of a good one."""

    def __init__(self, store: Store) -> None:
        self.good = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.good, name)

    async def read_for_resolves(self, questions: Sequence[ResolveQuestion]) -> list[ResolveRead]:
        """Read for each by `read_for_resolve`, which may be planted."""
        return [await self.read_for_resolve(*question) for question in questions]


class ForgetsRevokes(Planted):
    """Tells the audit of a revoke, and forgets the rest."""

    async def delete_key(
        self, project_id: UUID, key_id: str, expected: int | None, event: AuditEvent
    ) -> None:
        del project_id, key_id, expected
        await self.good.record(event)


class KeepsOldSecrets(Planted):
    """Changes everything of a login but its secret."""

    async def update_credential(
        self,
        credential: RegistryCredential,
        expected: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential:
        del secret
        return await self.good.update_credential(credential, expected, None, event)


class SwapsSecrets(Planted):
    """Gives each of two logins the other's secret."""

    async def read_for_resolve(self, *asked: Any) -> ResolveRead:
        read = await self.good.read_for_resolve(*asked)
        others = [*read.candidates[1:], *read.candidates[:1]]
        swapped = [
            one._replace(sealed=other.sealed)
            for one, other in zip(read.candidates, others, strict=True)
        ]
        return read._replace(candidates=swapped)


class ReadsThenRefuses(Planted):
    """Reads another's logins before anyone asks whether the caller may see them."""

    async def read_for_resolve(
        self, key_id: str | None, project: ProjectRef | None, *asked: Any
    ) -> ResolveRead:
        if project is not None:
            with contextlib.suppress(ProjectNotFound):
                found = await self.good.find_project(project)
                await self.good.list_credentials(found.id, CredentialFilter(), 0, 64)
        return await self.good.read_for_resolve(key_id, project, *asked)


class ForgetsUses(Planted):
    """Answers a declared use and keeps none."""

    async def put_use(
        self, project_id: UUID, credential_id: UUID, use: Use, event: AuditEvent
    ) -> None:
        del use
        await self.good.sealed_secret(project_id, credential_id)
        await self.good.record(event)


class RemembersNoRequest(Planted):
    """Keeps no Idempotency-Key."""

    async def find_idempotent(self, principal: str, key: str) -> None:
        del principal, key

    async def create_credential(self, *arguments: Any) -> RegistryCredential:
        return await self.good.create_credential(*arguments[:3])


class TakesAnyVersion(Planted):
    """Writes whatever it is told over whatever is there."""

    async def update_credential(
        self,
        credential: RegistryCredential,
        expected: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential:
        del expected
        return await self.good.update_credential(credential, None, secret, event)


class LooksThenActs(Planted):
    """Has no foreign key between uses and logins: looks first, acts a moment later."""

    def __init__(self, store: Store, execute: Callable[[str], Awaitable[object]]) -> None:
        """Take what executes a statement without any constraint."""
        super().__init__(store)
        self._execute = execute

    async def put_use(
        self, project_id: UUID, credential_id: UUID, use: Use, event: AuditEvent
    ) -> None:
        await self.good.find_credential(project_id, credential_id)
        await self._execute(
            "INSERT INTO uses (project_id, credential_id, kind, name, created_at) "  # noqa: S608  ids of its own
            f"VALUES ('{project_id}', '{credential_id}', '{use.kind}', '{use.name}', 0)"
        )
        await self.good.record(event)

    async def delete_credential(
        self,
        project_id: UUID,
        credential_id: UUID,
        expected: int | None,
        event: AuditEvent,
        *,
        with_uses: bool = False,
    ) -> None:
        if with_uses:
            await self._execute(f"DELETE FROM uses WHERE credential_id = '{credential_id}'")  # noqa: S608  likewise
        uses = await self.good.list_uses(project_id, credential_id, event.at)
        if uses:
            raise CredentialInUse(list(uses))
        await self._execute(f"DELETE FROM credentials WHERE id = '{credential_id}'")  # noqa: S608  likewise
        await self.good.record(event)


def planting(kind: type[Planted]) -> Callable[[Store], Store]:
    """Return what puts such a store before a good one."""
    return lambda store: cast("Store", kind(store))


MODEL_PLANTS: dict[str, Callable[[Store], Store]] = {
    "a store that forgets a revoke": planting(ForgetsRevokes),
    "a store that keeps the old secret": planting(KeepsOldSecrets),
    "a store that swaps two secrets": planting(SwapsSecrets),
    "a store that forgets a use": planting(ForgetsUses),
}
