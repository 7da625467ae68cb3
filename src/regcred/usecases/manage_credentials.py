"""Store, read, change and delete registry logins.

The one thing you would get wrong: a secret is bound to where it may go. Whatever changes the
delivery of a login (registry, provider, username, settings) seals its secret again under a new
secret version, and the verdicts about the old one no longer count.
"""

from __future__ import annotations

from dataclasses import replace

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import Delivery, Draft, RegistryCredential
from regcred.domain.errors import (
    CredentialNotFound,
    StoreUnavailable,
    VersionMismatch,
    VersionRequired,
)
from regcred.domain.ports import (
    SWAP_ATTEMPTS,
    Clock,
    CredentialRef,
    Gather,
    IdempotentRequest,
    NewId,
    ProjectRef,
    SealedSecret,
    Sealer,
    Store,
)
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict
from regcred.usecases.change_credential import (
    CHECKED,
    Amendment,
    Created,
    audited,
    merged,
    refuse_moved,
    refuse_redirection,
    rewritten,
)
from regcred.usecases.create_credential import CreateCredential
from regcred.usecases.manage_projects import reach_project
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.read_credentials import ReadCredentials
from regcred.usecases.seal_secret import open_current, seal_for


class ManageCredentials(ReadCredentials):
    """What callers do to the logins of a project."""

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
        self._create = CreateCredential(store, sealer, prove, clock, new_id, gather)

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

        Raise what CreateCredential raises.
        """
        return await self._create(caller, ref, draft, proven=proven, idempotent=idempotent)

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
        draft = self._prove.check(draft)
        caller.require_within(draft.scopes)
        # Before the registry is asked: what cannot be stored is not worth a try at a login.
        await self._find_for_change(caller, project, credential, expected_version)
        verdict = await self._prove(project, draft) if proven else None

        for _ in range(SWAP_ATTEMPTS):
            old = await self._find_for_change(caller, project, credential, expected_version)
            new = rewritten(old, draft, self._clock())
            secret = await self._sealed(new, draft.password)
            event = audited(caller, Action.CREDENTIAL_REPLACED, new, new.updated_at)
            stored = await self._swap(old, new, expected_version, secret, event)
            if stored is not None:
                return await self._prove.finish(caller, stored, verdict)
        raise StoreUnavailable("others change it without a pause")

    async def patch(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        expected_version: int | None,
        amendment: Amendment,
        *,
        proven: bool = False,
    ) -> RegistryCredential:
        """Change what a `Change` gives and keep the rest, the secret too if none is given.

        Raise what `replace` raises.
        """
        project = await self._reach_for_change(caller, ref, expected_version)
        proof: tuple[Delivery, Secret, Verdict] | None = None
        for _ in range(SWAP_ATTEMPTS):
            found = await self._find_for_change(caller, project, credential, expected_version)
            change = amendment(found)
            old, password = await self._present(project, found, change.password)
            if old.version != found.version:
                refuse_moved(old, expected_version)
                continue
            draft = merged(old, change, password)
            # What was stored before a rule was made stays as it is while its name is changed.
            if change.given & CHECKED:
                draft = self._prove.check(draft)
            else:
                draft = replace(draft, scopes=old.scopes)
            caller.require_within(draft.scopes)
            refuse_redirection(caller, old, draft, change, self._prove.exchanged)
            if proven and (proof is None or proof[:2] != (draft.delivery, password)):
                proof = (draft.delivery, password, await self._prove(project, draft))
            new = rewritten(old, draft, self._clock())
            secret: SealedSecret | None = None
            if change.password is not None or new.delivery != old.delivery:
                secret = await self._sealed(new, password)
            else:
                new = replace(new, secret_version=old.secret_version)
            event = audited(
                caller,
                Action.CREDENTIAL_UPDATED,
                new,
                new.updated_at,
                changed=tuple(sorted(change.given)),
                registry=new.registry_url,
                registry_before=old.registry_url,
            )
            stored = await self._swap(old, new, expected_version, secret, event)
            if stored is not None:
                return await self._prove.finish(
                    caller, stored, proof[2] if proof else None, fresh=secret is not None
                )
        raise StoreUnavailable("others change it without a pause")

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
        found = await self._find_for_change(caller, project, credential, None)
        event = audited(caller, Action.CREDENTIAL_DELETED, found, self._clock())
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

    async def _find_for_change(
        self,
        caller: Caller,
        project: Project,
        credential: CredentialRef,
        expected_version: int | None,
    ) -> RegistryCredential:
        """Return what is to be changed, if it is the caller's to change and has not moved on."""
        found = await self._store.find_credential(project.id, credential)
        if not caller.may_see(found):
            raise CredentialNotFound
        caller.require_within(found.scopes)
        refuse_moved(found, expected_version)
        return found

    async def _swap(
        self,
        old: RegistryCredential,
        new: RegistryCredential,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential | None:
        """Store `new` if the row is still `old`; None means: someone was faster, read again.

        Compare-and-swap even without If-Match: its secret version was counted up from `old`.
        """
        try:
            return await self._store.update_credential(new, old.version, secret, event)
        except VersionMismatch:
            if expected_version is not None:
                raise
            return None

    async def _sealed(self, credential: RegistryCredential, secret: Secret) -> SealedSecret:
        seed = await self._store.project_seed(credential.project_id)
        return await seal_for(self._sealer, seed, credential, secret)

    async def _present(
        self, project: Project, found: RegistryCredential, password: Secret | None
    ) -> tuple[RegistryCredential, Secret]:
        """Return the credential with `password`, or as it is now with its own."""
        if password is not None:
            return found, password
        return await open_current(self._store, self._sealer, project.id, found.id)
