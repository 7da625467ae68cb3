"""Sealed secrets: rows of their own beside the credential, gone for good once replaced."""

from __future__ import annotations

from uuid import UUID

from regcred.adapters.storage.sql.access import Access
from regcred.adapters.storage.sql.logins import forget_logins
from regcred.adapters.storage.sql.rows import Row
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.errors import CredentialNotFound
from regcred.domain.ports import SealedSecret, WrappedSeed

Place = tuple[str, str]
"""Project and credential, as text."""

PUT = """
    INSERT INTO credential_secrets (
        project_id, credential_id, secret_version, state, seed_generation, sealed
    ) VALUES (?, ?, ?, 'current', ?, ?)
"""
_DELETE = "DELETE FROM credential_secrets WHERE project_id = ? AND credential_id = ?"
_FIND = """
    SELECT x.secret_version, g.kid, g.generation, g.wrapped, x.sealed
    FROM credential_secrets x
    JOIN project_seeds g ON g.project_id = x.project_id AND g.generation = x.seed_generation
    WHERE x.project_id = ? AND x.credential_id = ? AND x.state = 'current'
"""
_RESET_STANDING = """
    UPDATE credentials SET
        secret_version = ?, verdict = NULL, verdict_at = NULL, dead_since = NULL, dead_last = NULL
    WHERE project_id = ? AND id = ?
"""


class SealedSecrets(Access):
    """The port's read of one sealed secret."""

    async def sealed_secret(self, project_id: UUID, credential_id: UUID) -> SealedSecret:
        """Raise CredentialNotFound."""
        row = await self._one(_FIND, (str(project_id), str(credential_id)), of=project_id)
        if row is None:
            raise CredentialNotFound
        secret_version, kid, generation, wrapped, sealed = row
        return SealedSecret(secret_version, WrappedSeed(kid, generation, wrapped), sealed)


async def put_sealed(transaction: Transaction, place: Place, secret: SealedSecret) -> None:
    """Write a credential's current secret."""
    await transaction.change(PUT, secret_row(place, secret))


def secret_row(place: Place, secret: SealedSecret) -> Row:
    """Return the row of a credential's current secret, in PUT's order."""
    return (*place, secret.secret_version, secret.seed.generation, secret.sealed)


async def delete_sealed(transaction: Transaction, place: Place) -> None:
    """Delete a credential's secrets, and see to it that they leave the files soon."""
    await forget_logins(transaction, place)
    await transaction.change(_DELETE, place)
    transaction.secrets_died = True


async def replace_sealed(
    transaction: Transaction, place: Place, secret: SealedSecret, old_version: int
) -> None:
    """Put a secret in the place of the old one, whose version was `old_version`."""
    await delete_sealed(transaction, place)
    await put_sealed(transaction, place, secret)
    # Sealed again under the same version it is the same secret, and the verdicts still count.
    if secret.secret_version != old_version:
        await transaction.change(_RESET_STANDING, (secret.secret_version, *place))
