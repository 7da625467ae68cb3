"""Read registry logins, without their secrets."""

from __future__ import annotations

from collections.abc import Sequence

from regcred.domain.access import Caller, Permission
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import CredentialNotFound
from regcred.domain.ports import CredentialFilter, CredentialRef, ProjectRef, Store
from regcred.usecases.manage_projects import reach_project

_STRIDE = 100
"""Logins that a narrowed key's list looks at between two pauses."""


class ReadCredentials:
    """What callers see of the logins of a project."""

    _store: Store

    async def get(
        self, caller: Caller, ref: ProjectRef | None, credential: CredentialRef
    ) -> RegistryCredential:
        """Raise ProjectNotFound, CredentialNotFound."""
        project = await reach_project(self._store, caller, ref, Permission.READ)
        found = await self._store.find_credential(project.id, credential)
        if not caller.may_see(found):
            raise CredentialNotFound
        return found

    async def list(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        narrowed: CredentialFilter,
        after: int,
        limit: int,
    ) -> tuple[Sequence[RegistryCredential], int | None]:
        """Return a page by number, and the number to go on after (None at the end).

        A narrowed key sees only its own matches, and is not told that there are others.
        """
        project = await reach_project(self._store, caller, ref, Permission.READ)
        # A narrowed key may have to pass many that it never sees.
        step = max(limit + 1, _STRIDE) if caller.image_patterns else limit + 1
        seen: list[RegistryCredential] = []
        more = True
        while more and len(seen) <= limit:
            page = await self._store.list_credentials(project.id, narrowed, after, step)
            seen += [credential for credential in page if caller.may_see(credential)]
            more = len(page) == step
            after = page[-1].number if page else after
        return seen[:limit], seen[limit - 1].number if len(seen) > limit else None

    async def page(
        self, caller: Caller, ref: ProjectRef | None, offset: int, limit: int
    ) -> tuple[Sequence[RegistryCredential], int]:
        """Return a page by number without the first `offset`, and how many there are in all.

        A narrowed key counts its own matches alone, by looking at every login.
        """
        project = await reach_project(self._store, caller, ref, Permission.READ)
        if not caller.image_patterns:
            total = await self._store.count_credentials(project.id)
            if offset >= total:
                return (), total
            return await self._store.credentials_at(project.id, offset, limit), total
        seen: list[RegistryCredential] = []
        total, after, more = 0, 0, True
        while more:
            stride = await self._store.list_credentials(
                project.id, CredentialFilter(), after, _STRIDE
            )
            for credential in filter(caller.may_see, stride):
                if offset <= total < offset + limit:
                    seen.append(credential)
                total += 1
            more = len(stride) == _STRIDE
            after = stride[-1].number if stride else after
        return seen, total
