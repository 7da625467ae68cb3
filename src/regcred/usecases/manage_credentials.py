"""Store, read, change and delete registry logins.

The one thing you would get wrong: a secret is bound to where it may go. Whatever changes the
delivery of a login (registry, provider, username, settings) seals its secret again under a new
secret version, and the verdicts about the old one no longer count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, TypeVar

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import Delivery, Draft, RegistryCredential
from regcred.domain.errors import (
    CredentialNotFound,
    CredentialRejected,
    IdempotencyConflict,
    VersionMismatch,
    VersionRequired,
)
from regcred.domain.ports import (
    AlreadyDone,
    Clock,
    CredentialFilter,
    CredentialRef,
    IdempotentRequest,
    NewId,
    ProjectRef,
    Registries,
    SealContext,
    SealedSecret,
    Sealer,
    Store,
    WrappedSeed,
)
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.domain.verdict import PROVEN, Verdict
from regcred.usecases.manage_projects import reach_project

_T = TypeVar("_T")

_ATTEMPTS = 5
PASSWORD_FIELD = "password"  # noqa: S105  the sealed field's name, not a password


@dataclass(frozen=True, slots=True)
class Change:
    """What a patch gives; `given` names the fields, because None is a value of some of them."""

    given: frozenset[str]
    name: str = ""
    username: str = ""
    password: Secret | None = None
    registry_url: str | None = None
    provider: str = ""
    settings: dict[str, str | None] | None = None
    """Merged by RFC 7396: a member of None is removed, None as a whole removes them all."""

    description: str = ""
    labels: dict[str, str | None] | None = None
    expires_at: datetime | None = None


class Created(NamedTuple):
    """A stored login, and whether a repeated request found it stored already."""

    credential: RegistryCredential
    replayed: bool


class ManageCredentials:
    """What callers do to the logins of a project."""

    def __init__(
        self, store: Store, sealer: Sealer, registries: Registries, clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._registries = registries
        self._clock = clock
        self._new_id = new_id

    async def create(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: Draft,
        *,
        proven: bool = False,
        idempotent: IdempotentRequest | None = None,
    ) -> RegistryCredential:
        """Store a login; with `proven`, only if the registry accepts it.

        Raise what `create_once` raises.
        """
        created = await self.create_once(caller, ref, draft, proven=proven, idempotent=idempotent)
        return created.credential

    async def create_once(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: Draft,
        *,
        proven: bool = False,
        idempotent: IdempotentRequest | None = None,
    ) -> Created:
        """Do what `create` does, and say whether an earlier request had done it.

        Raise InvalidInput, NameTaken, CredentialRejected, IdempotencyConflict, AccessDenied,
        ProjectNotFound, QuotaExceeded.
        """
        project = await reach_project(self._store, caller, ref, Permission.WRITE)
        self._registries.check(draft)
        if idempotent is not None:
            done = await self._store.find_idempotent(idempotent.principal, idempotent.key)
            if done is not None:
                return Created(await self._replay(project, done, idempotent), replayed=True)
        verdict = await self._prove(draft) if proven else None
        now = self._clock()
        credential = RegistryCredential(
            self._new_id(),
            0,
            project.id,
            draft.name,
            draft.provider,
            draft.username,
            now,
            now,
            registry_url=draft.registry_url,
            scopes=draft.scopes,
            settings=draft.settings,
            description=draft.description,
            labels=draft.labels,
            expires_at=draft.expires_at,
        )
        secret = await self._sealed(credential, draft.password)
        event = _event(caller, Action.CREDENTIAL_CREATED, credential, now)
        try:
            stored = await self._store.create_credential(credential, secret, event, idempotent)
        except AlreadyDone as done:
            return Created(await self._replay(project, done, idempotent), replayed=True)
        return Created(await self._with_verdict(caller, stored, verdict), replayed=False)

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

        A narrowed puller sees only its own matches, so its pages may be shorter than `limit`.
        """
        project = await reach_project(self._store, caller, ref, Permission.READ)
        page = await self._store.list_credentials(project.id, narrowed, after, limit + 1)
        more = page[limit - 1].number if len(page) > limit else None
        return [c for c in page[:limit] if caller.may_see(c)], more

    async def replace(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        expected_version: int | None,
        draft: Draft,
        *,
        proven: bool = False,
    ) -> RegistryCredential:
        """Put a whole login in the place of another; id, number and history stay.

        Raise what `create` raises, and CredentialNotFound, VersionMismatch, VersionRequired.
        """
        project = await self._reach_for_change(caller, ref, expected_version)
        self._registries.check(draft)
        await self._store.find_credential(project.id, credential)
        verdict = await self._prove(draft) if proven else None

        for _ in range(_ATTEMPTS):
            old = await self._store.find_credential(project.id, credential)
            new = _rewritten(old, draft, self._clock())
            secret = await self._sealed(new, draft.password)
            event = _event(caller, Action.CREDENTIAL_REPLACED, new, new.updated_at)
            stored = await self._swap(old, new, expected_version, secret, event)
            if stored is not None:
                return await self._with_verdict(caller, stored, verdict)
        raise VersionMismatch

    async def patch(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        expected_version: int | None,
        change: Change,
        *,
        proven: bool = False,
    ) -> RegistryCredential:
        """Change what is given and keep the rest, the secret too if none is given.

        Raise what `replace` raises.
        """
        project = await self._reach_for_change(caller, ref, expected_version)
        for _ in range(_ATTEMPTS):
            old = await self._store.find_credential(project.id, credential)
            password = change.password or await self._open(old)
            draft = _merged(old, change, password)
            self._registries.check(draft)
            verdict = await self._prove(draft) if proven else None
            new = _rewritten(old, draft, self._clock())
            secret: SealedSecret | None = None
            if change.password is not None or new.delivery != old.delivery:
                secret = await self._sealed(new, password)
            else:
                new = replace(new, secret_version=old.secret_version)
            event = replace(
                _event(caller, Action.CREDENTIAL_UPDATED, new, new.updated_at),
                details={"name": new.name, "changed": tuple(sorted(change.given))},
            )
            stored = await self._swap(old, new, expected_version, secret, event)
            if stored is not None:
                return await self._with_verdict(caller, stored, verdict)
        raise VersionMismatch

    async def delete(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        expected_version: int | None,
        *,
        with_uses: bool = False,
    ) -> None:
        """Delete a login. Raise CredentialInUse unless `with_uses`, which deletes the uses too.

        Raise ProjectNotFound, CredentialNotFound, VersionMismatch, VersionRequired.
        """
        project = await self._reach_for_change(caller, ref, expected_version)
        found = await self._store.find_credential(project.id, credential)
        event = _event(caller, Action.CREDENTIAL_DELETED, found, self._clock())
        await self._store.delete_credential(
            project.id, found.id, expected_version, event, with_uses=with_uses
        )

    async def _reach_for_change(
        self, caller: Caller, ref: ProjectRef | None, expected_version: int | None
    ) -> Project:
        project = await reach_project(self._store, caller, ref, Permission.WRITE)
        if project.require_if_match and expected_version is None:
            raise VersionRequired
        return project

    async def _replay(
        self, project: Project, done: AlreadyDone, idempotent: IdempotentRequest | None
    ) -> RegistryCredential:
        if idempotent is None or done.digest != idempotent.digest:
            raise IdempotencyConflict from done
        return await self._store.find_credential(project.id, done.resource_id)

    async def _prove(self, draft: Draft) -> Verdict:
        verdict = await self._registries.verify(draft.delivery, draft.password, None)
        if verdict.kind not in PROVEN:
            raise CredentialRejected(verdict)
        return verdict

    async def _with_verdict(
        self, caller: Caller, stored: RegistryCredential, verdict: Verdict | None
    ) -> RegistryCredential:
        if verdict is None:
            return stored
        event = _event(caller, Action.CREDENTIAL_VERIFIED, stored, verdict.checked_at)
        event = replace(event, details={"verdict": str(verdict.kind)})
        await self._store.record_verdict(
            stored.project_id, stored.id, stored.secret_version, verdict, event
        )
        return replace(stored, standing=stored.standing.after(verdict))

    async def _swap(
        self,
        old: RegistryCredential,
        new: RegistryCredential,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential | None:
        """Store `new` if the row is still `old`; None means: someone was faster, read again.

        Compare-and-swap even without If-Match: the secret version was counted up from `old`.
        """
        if expected_version is not None and expected_version != old.version:
            raise VersionMismatch
        try:
            return await self._store.update_credential(new, old.version, secret, event)
        except VersionMismatch:
            if expected_version is not None:
                raise
            return None

    async def _sealed(self, credential: RegistryCredential, secret: Secret) -> SealedSecret:
        seed = await self._store.project_seed(credential.project_id)
        return await seal_for(self._sealer, seed, credential, secret)

    async def _open(self, credential: RegistryCredential) -> Secret:
        return await open_secret(self._store, self._sealer, credential)


async def seal_for(
    sealer: Sealer, seed: WrappedSeed, credential: RegistryCredential, secret: Secret
) -> SealedSecret:
    """Seal `secret` to the place that `credential` names. Raise KeyringUnavailable."""
    context = seal_context(credential, credential.delivery, credential.secret_version)
    sealed = await sealer.seal(seed, context, secret)
    return SealedSecret(credential.secret_version, seed, sealed)


async def open_secret(store: Store, sealer: Sealer, credential: RegistryCredential) -> Secret:
    """Open a credential's present secret. Raise CredentialNotFound, SealBroken."""
    stored = await store.sealed_secret(credential.project_id, credential.id)
    context = seal_context(credential, credential.delivery, stored.secret_version)
    return await sealer.open(stored.seed, context, stored.sealed)


def seal_context(
    credential: RegistryCredential, delivery: Delivery, secret_version: int
) -> SealContext:
    """Return the place a credential's secret is bound to."""
    return SealContext(
        str(credential.project_id), str(credential.id), PASSWORD_FIELD, secret_version, delivery
    )


def _rewritten(old: RegistryCredential, draft: Draft, now: datetime) -> RegistryCredential:
    """Return `old` with everything a person writes taken from `draft`, under a new secret."""
    return replace(
        old,
        name=draft.name,
        provider=draft.provider,
        username=draft.username,
        registry_url=draft.registry_url,
        scopes=draft.scopes,
        settings=draft.settings,
        description=draft.description,
        labels=draft.labels,
        expires_at=draft.expires_at,
        updated_at=now,
        secret_version=old.secret_version + 1,
    )


def _merged(old: RegistryCredential, change: Change, password: Secret) -> Draft:
    def kept(field: str, new: _T, present: _T) -> _T:
        return new if field in change.given else present

    return Draft(
        name=kept("name", change.name, old.name),
        username=kept("username", change.username, old.username),
        password=password,
        registry_url=kept("registry_url", change.registry_url, old.registry_url),
        provider=kept("provider", change.provider, old.provider),
        settings=_merge(old.settings, kept("settings", change.settings, {})),
        description=kept("description", change.description, old.description),
        labels=_merge(old.labels, kept("labels", change.labels, {})),
        expires_at=kept("expires_at", change.expires_at, old.expires_at),
    )


def _merge(present: Mapping[str, str], patch: dict[str, str | None] | None) -> dict[str, str]:
    """Apply a JSON merge patch to a flat object: None, as a whole or a member, removes."""
    if patch is None:
        return {}
    return {key: value for key, value in {**present, **patch}.items() if value is not None}


def _event(
    caller: Caller, action: Action, credential: RegistryCredential, at: datetime
) -> AuditEvent:
    return AuditEvent.by(
        caller,
        action,
        credential.project_id,
        at,
        str(credential.id),
        secret_version=credential.secret_version,
        name=credential.name,
    )
