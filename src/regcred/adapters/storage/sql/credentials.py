"""Credentials: create, find, change and delete, each in one transaction with its audit row."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from regcred.adapters.storage.sql.access import Access, at_version, name_taken
from regcred.adapters.storage.sql.checks import plan_new_secret, plan_notices
from regcred.adapters.storage.sql.indexing import index, unindex
from regcred.adapters.storage.sql.rows import (
    CREDENTIAL,
    Row,
    credential,
    joined,
    json_text,
    micros,
    micros_or_none,
    use,
)
from regcred.adapters.storage.sql.sealed_secrets import (
    delete_sealed,
    put_sealed,
    replace_sealed,
)
from regcred.adapters.storage.sql.transaction import Clash, Transaction
from regcred.domain import schedule
from regcred.domain.audit import AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import CredentialInUse, CredentialNotFound, ProjectNotFound
from regcred.domain.notices import next_notice
from regcred.domain.ports import CredentialRef, IdempotentRequest, SealedSecret

_NEXT_NUMBER = """
    UPDATE projects SET
        next_credential_number = next_credential_number + 1,
        credential_count = credential_count + 1
    WHERE id = ? RETURNING next_credential_number - 1, recheck_every
"""
INSERT = """
    INSERT INTO credentials (
        name, provider, registry_url, scopes, username, settings, description, labels, expires_at,
        updated_at, created_at, project_id, id, number, version, secret_version, check_at,
        check_failures, notice_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
    UPDATE credentials SET
        name = ?, provider = ?, registry_url = ?, scopes = ?, username = ?, settings = ?,
        description = ?, labels = ?, expires_at = ?, updated_at = ?, version = version + 1
    WHERE project_id = ? AND id = ?
"""
_FIND = f"SELECT {CREDENTIAL} FROM credentials c WHERE c.project_id = ? AND "  # noqa: S608  constants
_BY_ID = _FIND + "c.id = ?"
_BY_NAME = _FIND + "c.name = ?"
_BY_NUMBER = _FIND + "c.number = ?"
_PRESENT = """
    SELECT version, number, secret_version, scopes, labels, expires_at FROM credentials
    WHERE project_id = ? AND id = ?
"""
_DELETE_EXPIRED = """
    DELETE FROM uses WHERE project_id = ? AND credential_id = ? AND expires_at <= ?
"""
_USES = """
    SELECT kind, name, created_at, expires_at FROM uses
    WHERE project_id = ? AND credential_id = ? ORDER BY kind, name
"""
_DELETE_USES = "DELETE FROM uses WHERE project_id = ? AND credential_id = ?"
_DELETE_VERDICTS = "DELETE FROM verdicts WHERE project_id = ? AND credential_id = ?"
_DELETE = "DELETE FROM credentials WHERE project_id = ? AND id = ?"
_COUNT_DOWN = "UPDATE projects SET credential_count = credential_count - 1 WHERE id = ?"


class Credentials(Access):
    """The port's methods on one credential."""

    async def create_credential(
        self,
        credential: RegistryCredential,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> RegistryCredential:
        """Store under the next number. Raise ProjectNotFound, NameTaken, AlreadyDone."""
        place = str(credential.project_id), str(credential.id)

        async def work(transaction: Transaction) -> RegistryCredential:
            await self._refuse_repeated(transaction, idempotent)
            row = await transaction.one(_NEXT_NUMBER, place[:1])
            if row is None:
                raise ProjectNotFound
            made = created(credential, secret, row[0])
            try:
                await transaction.change(INSERT, row_of(made, place, row[1]))
            except Clash as error:
                raise name_taken(error, "credential") from error
            await put_sealed(transaction, place, secret)
            await index(transaction, made, made.number)
            await self._remember(transaction, idempotent, place[1])
            await transaction.audit(event)
            return made

        return await self._write(work, of=credential.project_id)

    async def find_credential(self, project_id: UUID, ref: CredentialRef) -> RegistryCredential:
        """Raise CredentialNotFound. A text in the form of a UUID is an id before it is a name."""
        row = None
        if isinstance(ref, int):
            row = await self._one(_BY_NUMBER, (str(project_id), ref), of=project_id)
        elif (id_ := ref if isinstance(ref, UUID) else _uuid(ref)) is not None:
            row = await self._one(_BY_ID, (str(project_id), str(id_)), of=project_id)
        if row is None and isinstance(ref, str):
            row = await self._one(_BY_NAME, (str(project_id), ref), of=project_id)
        if row is None:
            raise CredentialNotFound
        return credential(row)

    async def update_credential(
        self,
        credential: RegistryCredential,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential:
        """Raise CredentialNotFound, VersionMismatch, NameTaken; see the port."""
        columns = columns_of(credential)
        place = (str(credential.project_id), str(credential.id))

        async def work(transaction: Transaction) -> RegistryCredential:
            present = at_version(
                await transaction.one(_PRESENT, place), expected_version, CredentialNotFound()
            )
            try:
                await transaction.change(_UPDATE, (*columns, *place))
            except Clash as error:
                raise name_taken(error, "credential") from error
            _, number, secret_version, scopes, labels, expires_at = present
            if (scopes, labels) != (joined(credential.scopes), json_text(credential.labels)):
                await unindex(transaction, place[0], number)
                await index(transaction, credential, number)
            if secret is not None:
                await replace_sealed(transaction, place, secret, secret_version)
                if secret.secret_version != secret_version:
                    await plan_new_secret(transaction, place, credential.updated_at)
            if expires_at != micros_or_none(credential.expires_at):
                await plan_notices(transaction, place, credential.expires_at, credential.updated_at)
            await transaction.audit(event)
            return await _stored(transaction, place)

        return await self._write(work, of=credential.project_id)

    async def delete_credential(
        self,
        project_id: UUID,
        credential_id: UUID,
        expected_version: int | None,
        event: AuditEvent,
        *,
        with_uses: bool = False,
    ) -> None:
        """Raise CredentialNotFound, VersionMismatch, CredentialInUse; see the port."""
        place = (str(project_id), str(credential_id))

        async def work(transaction: Transaction) -> None:
            present = at_version(
                await transaction.one(_PRESENT, place), expected_version, CredentialNotFound()
            )
            await _clear_uses(transaction, place, event.at, with_uses=with_uses)
            await unindex(transaction, place[0], present[1])
            await delete_sealed(transaction, place)
            await transaction.change(_DELETE_VERDICTS, place)
            # Foreign keys RESTRICT: whatever still referred to it would refuse this statement.
            # Only fetches go along: what they tell is no reason to keep it.
            await transaction.change(_DELETE, place)
            await transaction.change(_COUNT_DOWN, (place[0],))
            await transaction.audit(event)

        await self._write(work, of=project_id)


def _uuid(text: str) -> UUID | None:
    """Return the id that `text` spells in the usual form, in any case."""
    try:
        id_ = UUID(text)
    except ValueError:
        return None
    return id_ if str(id_) == text.lower() else None


def created(
    credential: RegistryCredential, secret: SealedSecret, number: int
) -> RegistryCredential:
    """Return a new credential as it is stored under `number`."""
    # What is not named has its default. `dataclasses.replace` would take twice as long.
    return RegistryCredential(
        credential.id,
        number,
        credential.project_id,
        credential.name,
        credential.provider,
        credential.username,
        credential.created_at,
        credential.updated_at,
        registry_url=credential.registry_url,
        scopes=credential.scopes,
        settings=credential.settings,
        description=credential.description,
        labels=credential.labels,
        expires_at=credential.expires_at,
        secret_version=secret.secret_version,
    )


def row_of(made: RegistryCredential, place: tuple[str, str], recheck_every: int) -> Row:
    """Return the whole row of a new credential, in INSERT's order.

    `place` is its project and its id, as text; the interval is in seconds.
    """
    at, every = made.created_at, timedelta(seconds=recheck_every)
    plan = schedule.after_new_secret(at, every, schedule.spread_of(made.id, at))
    return (
        *columns_of(made),
        micros(at),
        *place,
        made.number,
        made.version,
        made.secret_version,
        micros_or_none(plan.due_at),
        plan.failures,
        micros_or_none(next_notice(made.expires_at, at)),
    )


def columns_of(credential: RegistryCredential) -> Row:
    """Return what create and update both write, in the statements' order."""
    return (
        credential.name,
        credential.provider,
        credential.registry_url,
        joined(credential.scopes),
        credential.username,
        json_text(credential.settings),
        credential.description,
        json_text(credential.labels),
        micros_or_none(credential.expires_at),
        micros(credential.updated_at),
    )


async def _clear_uses(
    transaction: Transaction, place: tuple[str, str], now: datetime, *, with_uses: bool
) -> None:
    """Sweep expired leases, then every use or none. Raise CredentialInUse."""
    await transaction.change(_DELETE_EXPIRED, (*place, micros(now)))
    if with_uses:
        await transaction.change(_DELETE_USES, place)
        return
    uses = await transaction.all(_USES, place)
    if uses:
        raise CredentialInUse([use(row) for row in uses])


async def _stored(transaction: Transaction, place: tuple[str, str]) -> RegistryCredential:
    return credential(at_version(await transaction.one(_BY_ID, place), None, CredentialNotFound()))
