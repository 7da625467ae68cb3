"""Seal a credential's secret to its place, and open it again.

The one thing you would get wrong: reading a credential and its secret are two reads. A replace
between them leaves a pair that never belonged together and would not open, although nothing is
broken; `open_current` reads until the two agree.
"""

from __future__ import annotations

from uuid import UUID

from regcred.domain.credential import Delivery, RegistryCredential
from regcred.domain.errors import SealBroken
from regcred.domain.ports import (
    SWAP_ATTEMPTS,
    CredentialRef,
    SealContext,
    SealedSecret,
    Sealer,
    Store,
    WrappedSeed,
)
from regcred.domain.secret import Secret

PASSWORD_FIELD = "password"  # noqa: S105  the sealed field's name, not a password


async def seal_for(
    sealer: Sealer, seed: WrappedSeed, credential: RegistryCredential, secret: Secret
) -> SealedSecret:
    """Seal `secret` to the place that `credential` names. Raise KeyringUnavailable."""
    context = seal_context(credential, credential.delivery, credential.secret_version)
    sealed = await sealer.seal(seed, context, secret)
    return SealedSecret(credential.secret_version, seed, sealed)


def seal_now(
    sealer: Sealer, seed: WrappedSeed, credential: RegistryCredential, secret: Secret
) -> SealedSecret | None:
    """Do what `seal_for` does, or return None where the seed must be asked for first."""
    context = seal_context(credential, credential.delivery, credential.secret_version)
    sealed = sealer.seal_now(seed, context, secret)
    return None if sealed is None else SealedSecret(credential.secret_version, seed, sealed)


async def open_current(
    store: Store, sealer: Sealer, project_id: UUID, ref: CredentialRef
) -> tuple[RegistryCredential, Secret]:
    """Read a credential and open its present secret.

    Raise CredentialNotFound, SealBroken (also for a secret whose version never agrees with its
    credential's: one of the two was edited), KeyringUnavailable.
    """
    for _ in range(SWAP_ATTEMPTS):
        credential = await store.find_credential(project_id, ref)
        stored = await store.sealed_secret(project_id, credential.id)
        if stored.secret_version == credential.secret_version:
            context = seal_context(credential, credential.delivery, stored.secret_version)
            return credential, await sealer.open(stored.seed, context, stored.sealed)
    raise SealBroken("the credential's secret")


def seal_context(
    credential: RegistryCredential, delivery: Delivery, secret_version: int
) -> SealContext:
    """Return the place a credential's secret is bound to."""
    return SealContext(
        str(credential.project_id), str(credential.id), PASSWORD_FIELD, secret_version, delivery
    )
