"""Store a new login.

Requests that wait go through each step together (`domain/ports/waves.py`), and those of one wave
are one write. The one thing you would get wrong: what may stand in a wave. Whatever has to wait
for something else, a registry's answer or a seed that a key service unwraps, goes its way alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action
from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.errors import IdempotencyConflict
from regcred.domain.ports import (
    AlreadyDone,
    Clock,
    Creation,
    Gather,
    Gathering,
    IdempotentRequest,
    NewId,
    ProjectRef,
    Sealer,
    Store,
    Waiting,
)
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Created, audited, drafted
from regcred.usecases.manage_projects import reach_project
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.seal_secret import seal_for, seal_now

_T = TypeVar("_T")


class _Asked(NamedTuple):
    """Who wants which login stored, and where."""

    caller: Caller
    project: ProjectRef
    draft: Draft


_Waits = Waiting[_Asked, RegistryCredential | None]
"""For what was stored; None: nothing was, because its seed must be waited for."""


class _Made(NamedTuple):
    """A login that its caller may store."""

    waiting: _Waits
    credential: RegistryCredential
    password: Secret


class _Ready(NamedTuple):
    """A sealed login, whose outcome is its request's answer."""

    asked: Creation
    waiting: _Waits

    def done(self, answer: RegistryCredential) -> None:
        self.waiting.done(answer)

    def failed(self, error: BaseException) -> None:
        self.waiting.failed(error)


class CreateCredential:
    """What callers add to the logins of a project."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        prove: ProveLogin,
        clock: Clock,
        new_id: NewId,
        gather: Gather,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._prove = prove
        self._clock = clock
        self._new_id = new_id
        self._each = gather.each
        self._in_wave: Gathering[_Asked, RegistryCredential | None] = gather(self._store_all)

    async def __call__(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: Draft,
        *,
        proven: bool = False,
        idempotent: IdempotentRequest | None = None,
    ) -> Created:
        """Store a login; with `proven`, only if the registry accepts it.

        Raise InvalidInput, NameTaken, CredentialRejected, IdempotencyConflict, AccessDenied,
        ProjectNotFound, QuotaExceeded.
        """
        if not proven and idempotent is None:
            project = caller.project_id if ref is None else ref
            stored = await self._in_wave(_Asked(caller, project, draft))
            if stored is not None:
                return Created(await self._prove.finish(caller, stored, None), replayed=False)
        return await self._alone(caller, ref, draft, idempotent, proven=proven)

    async def _store_all(self, wave: Sequence[_Waits]) -> None:
        """Store all whose secrets can be sealed now, by one write."""
        now = self._clock()
        projects = await self._each(self._store.find_project, [w.asked.project for w in wave])
        made = list(self._permitted(wave, projects, now))
        seeds = await self._each(
            self._store.project_seed, [one.credential.project_id for one in made]
        )
        ready: list[_Ready] = []
        for one in made:
            try:
                seed = _told(seeds[one.credential.project_id])
                secret = seal_now(self._sealer, seed, one.credential, one.password)
            except Exception as error:  # noqa: BLE001  whatever it is, it is for one of them
                one.waiting.failed(error)
                continue
            if secret is None:
                one.waiting.done(None)
                continue
            caller = one.waiting.asked.caller
            event = audited(caller, Action.CREDENTIAL_CREATED, one.credential, now)
            ready.append(_Ready(Creation(one.credential, secret, event), one.waiting))
        if ready:
            await self._store.create_credentials(ready)

    def _permitted(
        self,
        wave: Sequence[_Waits],
        projects: Mapping[ProjectRef, Project | Exception],
        now: datetime,
    ) -> Iterator[_Made]:
        """Yield the logins that may be stored, and tell the others why not."""
        for waiting in wave:
            caller, ref, draft = waiting.asked
            try:
                project = _told(projects[ref])
                caller.require(Permission.WRITE, project.id)
                draft = self._prove.check(draft)
                caller.require_within(draft.scopes)
            except Exception as error:  # noqa: BLE001  as above
                waiting.failed(error)
                continue
            yield _Made(waiting, drafted(self._new_id(), project.id, draft, now), draft.password)

    async def _alone(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: Draft,
        idempotent: IdempotentRequest | None,
        *,
        proven: bool,
    ) -> Created:
        project = await reach_project(self._store, caller, ref, Permission.WRITE)
        draft = self._prove.check(draft)
        caller.require_within(draft.scopes)
        if idempotent is not None:
            done = await self._store.find_idempotent(idempotent.principal, idempotent.key)
            if done is not None:
                return Created(await self._replay(project, done, idempotent), replayed=True)
        verdict = await self._prove(project, draft) if proven else None
        now = self._clock()
        credential = drafted(self._new_id(), project.id, draft, now)
        seed = await self._store.project_seed(project.id)
        secret = await seal_for(self._sealer, seed, credential, draft.password)
        event = audited(caller, Action.CREDENTIAL_CREATED, credential, now)
        try:
            stored = await self._store.create_credential(credential, secret, event, idempotent)
        except AlreadyDone as done:
            return Created(await self._replay(project, done, idempotent), replayed=True)
        return Created(await self._prove.finish(caller, stored, verdict), replayed=False)

    async def _replay(
        self, project: Project, done: AlreadyDone, idempotent: IdempotentRequest | None
    ) -> RegistryCredential:
        if idempotent is None or done.digest != idempotent.digest:
            raise IdempotencyConflict from done
        return await self._store.find_credential(project.id, done.resource_id)


def _told(found: _T | Exception) -> _T:
    if isinstance(found, Exception):
        raise found
    return found
