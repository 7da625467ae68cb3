"""Where a credential is found: rows by its scopes and by its labels, kept with the credential."""

from __future__ import annotations

from regcred.adapters.storage.sql.rows import Row, lookup_of
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.domain.credential import RegistryCredential

INSERT_SCOPE = """
    INSERT INTO credential_scopes (project_id, number, lookup, path, scope, whole)
    VALUES (?, ?, ?, ?, ?, ?)
"""
_DELETE_SCOPES = "DELETE FROM credential_scopes WHERE project_id = ? AND number = ?"
INSERT_LABEL = """
    INSERT INTO credential_labels (project_id, number, label, value) VALUES (?, ?, ?, ?)
"""
_DELETE_LABELS = "DELETE FROM credential_labels WHERE project_id = ? AND number = ?"


async def index(transaction: Transaction, credential: RegistryCredential, number: int) -> None:
    """Write where the credential is found: by its scopes and by its labels."""
    for row in scope_rows(credential, number):
        await transaction.change(INSERT_SCOPE, row)
    for row in label_rows(credential, number):
        await transaction.change(INSERT_LABEL, row)


def scope_rows(credential: RegistryCredential, number: int) -> list[Row]:
    """Return the rows of the matching index, in the columns' order of its statement."""
    project_id = str(credential.project_id)
    return [
        (
            project_id,
            number,
            lookup_of(scope.host, scope.port),
            scope.path,
            str(scope),
            not scope.path,
        )
        for scope in dict.fromkeys(credential.scopes)
    ]


def label_rows(credential: RegistryCredential, number: int) -> list[Row]:
    """Return the rows of its labels, likewise."""
    if not credential.labels:
        return []
    project_id = str(credential.project_id)
    return [(project_id, number, label, value) for label, value in credential.labels.items()]


async def unindex(transaction: Transaction, project_id: str, number: int) -> None:
    """Delete the rows that `index` wrote."""
    await transaction.change(_DELETE_SCOPES, (project_id, number))
    await transaction.change(_DELETE_LABELS, (project_id, number))
