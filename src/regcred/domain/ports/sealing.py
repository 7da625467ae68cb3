"""What is sealed, and who seals it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from regcred.domain.access import ApiKey
from regcred.domain.credential import Delivery
from regcred.domain.secret import Secret


class WrappedSeed(NamedTuple):
    """A 32-byte seed as the store holds it: wrapped by the key-encryption key `kid`."""

    kid: str
    generation: int
    wrapped: bytes


class SealContext(NamedTuple):
    """The place a sealed value belongs to; every part is bound into its associated data."""

    project_id: str
    credential_id: str
    field: str
    secret_version: int
    delivery: Delivery


class SealedSecret(NamedTuple):
    """A secret as the store holds it, with the seed that it opens under."""

    secret_version: int
    seed: WrappedSeed
    sealed: bytes


class SealedLogin(NamedTuple):
    """An exchanged login as the store holds it."""

    secret_version: int
    seed: WrappedSeed
    sealed: bytes
    expires_at: datetime
    refresh_at: datetime


class StoredKey(NamedTuple):
    """A key with the digest of its secret, and the stamp over both."""

    key: ApiKey
    digest: bytes
    stamp: bytes
    """From `KeyDigests.stamp`: made anew whenever the key changes."""


class Sealer(Protocol):
    """The only cryptography on credentials' secrets (docs/sealing.md)."""

    async def new_seed(self, project_id: str) -> WrappedSeed:
        """Make a project's seed. Raise KeyringUnavailable."""
        ...

    async def seal(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes:
        """Seal a secret to its place. Raise SealBroken, KeyringUnavailable."""
        ...

    def seal_now(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes | None:
        """Seal a secret, or return None where its seed must be asked for: then `seal` does.

        Raise SealBroken.
        """
        ...

    async def open(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret:
        """Open a sealed secret. Raise SealBroken, KeyringUnavailable."""
        ...

    def open_now(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret | None:
        """Open a sealed secret, or return None where its seed must be asked for: then `open` does.

        Raise SealBroken.
        """
        ...


class KeyDigests(Protocol):
    """Digests of API keys' secrets, and stamps on what is stored of a key.

    Both are HMACs under keys that the store does not hold (docs/sealing.md): who writes to the
    store alone can neither make a key nor change what one may do.
    """

    def digest(self, secret: str) -> bytes:
        """Return the 32 bytes that are stored for a key."""
        ...

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Compare in constant time; None (no such key) costs the same and is False."""
        ...

    def stamp(self, key: ApiKey, digest: bytes) -> bytes:
        """Return 32 bytes over everything that decides what the key may do, and its version.

        That is the version which the key has once it is stored. Its name, creation and last use
        are not in it.
        """
        ...

    def genuine(self, stored: StoredKey) -> bool:
        """Whether the stamp was made here, for this key and this digest."""
        ...


class Cursors(Protocol):
    """Sealed page positions: opaque, bound to one project and one list, useless elsewhere."""

    def seal(self, project_id: str, listing: str, position: str) -> str:
        """Return URL-safe text."""
        ...

    def open(self, project_id: str, listing: str, cursor: str) -> str:
        """Return the position. Raise InvalidInput(`cursor`) for anything not sealed here."""
        ...
