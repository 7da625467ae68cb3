"""The service's own root key, and the keys for each of its purposes that are derived from it.

The root is random, wrapped by the key-encryption key and kept in the store: a copy of the store
alone can neither forge an audit row nor test a guess at an API key. Opening it at start is also
how a wrong key ring is noticed before the first request.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from regcred.adapters.sealing.audit_chain import AuditChain, AuditSigner
from regcred.adapters.sealing.box import ROOT_SIZE, Root
from regcred.adapters.sealing.cursors import SealedCursors
from regcred.adapters.sealing.digests import PepperedDigests, RequestDigests
from regcred.adapters.sealing.key_encryption import KeyEncryption, WrapContext
from regcred.adapters.sealing.manifest import ManifestSigner
from regcred.adapters.sealing.pod_stamps import KeyedPodStamps
from regcred.domain.errors import SealBroken, StartRefused
from regcred.domain.ports import RandomBytes, WrappedSeed

PURPOSE = "service"
LABEL = b"regcred-service-v1"
_GENERATION = 1
CONTEXT = WrapContext("service", "root", _GENERATION)
_RESTORE = "start with the key ring that belongs to this store (restore it from your backup)"


class ServiceKeyStore(Protocol):
    """What unlocking needs of the store."""

    async def service_key(self, purpose: str) -> WrappedSeed | None:
        """Return the wrapped key of that purpose, if there is one."""
        ...

    async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
        """Keep a wrapped key; the first one of a purpose stays."""
        ...


class ServiceKeys(NamedTuple):
    """Everything that works under the service's root, ready to use."""

    key_digests: PepperedDigests
    pod_stamps: KeyedPodStamps
    request_digests: RequestDigests
    cursors: SealedCursors
    audit_signer: AuditSigner
    audit_chain: AuditChain
    manifests: ManifestSigner

    @classmethod
    def derive(cls, root: bytes, random: RandomBytes) -> ServiceKeys:
        """Derive every purpose's key from the 32-byte root."""
        expanded = Root(root, LABEL)

        def key(purpose: bytes) -> bytes:
            return expanded.expand(purpose)[0]

        return cls(
            key_digests=PepperedDigests(key(b"api-key-pepper"), key(b"api-key-row")),
            pod_stamps=KeyedPodStamps(key(b"pod-row")),
            request_digests=RequestDigests(key(b"idempotency")),
            cursors=SealedCursors(key(b"cursor"), random),
            audit_signer=AuditSigner(key(b"audit-row")),
            audit_chain=AuditChain(key(b"audit-chain")),
            manifests=ManifestSigner(key(b"backup-manifest")),
        )

    def __repr__(self) -> str:
        return "<service keys>"


async def unlock(
    keys: KeyEncryption, store: ServiceKeyStore, *, store_is_empty: bool, random: RandomBytes
) -> ServiceKeys:
    """Open the service's root, or make it for an empty store.

    Raise StartRefused when it is missing from a store that holds something, and when this key
    ring is not the one it was wrapped by; KeyringUnavailable when a key service is away.
    """
    found = await store.service_key(PURPOSE)
    if found is None and store_is_empty:
        kid, wrapped = await keys.wrap(CONTEXT, random(ROOT_SIZE))
        await store.put_service_key(PURPOSE, WrappedSeed(kid, _GENERATION, wrapped))
        # Another process may have been first: what the store kept is what counts.
        found = await store.service_key(PURPOSE)
    if found is None:
        raise StartRefused(
            "the store holds data but not the service's own key: it was damaged or put together"
            " by hand; restore the store from a backup"
        )
    return await unwrapped(keys, found, random=random)


async def unwrapped(keys: KeyEncryption, found: WrappedSeed, *, random: RandomBytes) -> ServiceKeys:
    """Open a wrapped root that a store or the manifest of its backup holds.

    Raise StartRefused when this key ring is not the one it was wrapped by; KeyringUnavailable.
    """
    return ServiceKeys.derive(await _unwrap(keys, found), random)


async def _unwrap(keys: KeyEncryption, found: WrappedSeed) -> bytes:
    kid, generation, wrapped = found
    if kid not in keys.kids:
        raise StartRefused(f"the key ring has no key {kid!r}, which this store needs: {_RESTORE}")
    if generation != _GENERATION:
        raise StartRefused("the service's own key is of a generation that this release cannot read")
    try:
        return await keys.unwrap(kid, CONTEXT, wrapped)
    except SealBroken:
        raise StartRefused(
            f"the key ring does not open this store (key {kid!r} is not the one that was used, or"
            f" the store was edited): {_RESTORE}"
        ) from None
