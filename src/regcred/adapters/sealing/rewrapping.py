"""Seeds and the service's key, taken out of one wrapping and put into another."""

from __future__ import annotations

from regcred.adapters.sealing.box import ROOT_SIZE
from regcred.adapters.sealing.key_encryption import (
    MAX_KID,
    MAX_WRAPPED,
    KeyEncryption,
    WrapContext,
)
from regcred.adapters.sealing.sealer import WHAT_SEED
from regcred.adapters.sealing.service_keys import CONTEXT as SERVICE
from regcred.domain.errors import SealBroken
from regcred.domain.ports import RandomBytes, WrappedSeed
from regcred.domain.ports.rotation import StoredSeed


class Rewrapping:
    """Implements `regcred.domain.ports.rotation.KeyWrapping`.

    What was wrapped anew is opened again before it is handed on: a key service that takes what it
    does not give back must not cost a project its secrets.
    """

    __slots__ = ("_keys", "_random")

    def __init__(self, keys: KeyEncryption, random: RandomBytes) -> None:
        self._keys = keys
        self._random = random

    @property
    def primary(self) -> str:
        """The id of the key that wraps now."""
        return self._keys.primary

    async def rewrap(self, stored: StoredSeed) -> WrappedSeed:
        """Return the seed wrapped by the primary. Raise SealBroken, KeyringUnavailable."""
        return await self._again(_place(stored), stored.seed)

    async def rewrap_service_key(self, key: WrappedSeed) -> WrappedSeed:
        """Return the service's key wrapped by the primary. Raise SealBroken, KeyringUnavailable."""
        return await self._again(SERVICE, key)

    async def check(self, stored: StoredSeed) -> None:
        """Pass if the seed opens. Raise SealBroken, KeyringUnavailable."""
        await self._open(_place(stored), stored.seed)

    async def check_service_key(self, key: WrappedSeed) -> None:
        """Pass if the service's key opens. Raise SealBroken, KeyringUnavailable."""
        await self._open(SERVICE, key)

    async def next_seed(self, project_id: str, generation: int) -> WrappedSeed:
        """Make a project's seed of that generation. Raise KeyringUnavailable."""
        context = WrapContext("seed", project_id, generation)
        return await self._wrap(context, self._random(ROOT_SIZE))

    async def _again(self, context: WrapContext, old: WrappedSeed) -> WrappedSeed:
        return await self._wrap(context, await self._open(context, old))

    async def _open(self, context: WrapContext, old: WrappedSeed) -> bytes:
        if len(old.kid) > MAX_KID or len(old.wrapped) > MAX_WRAPPED:
            raise SealBroken(WHAT_SEED)
        key = await self._keys.unwrap(old.kid, context, old.wrapped)
        if len(key) != ROOT_SIZE:
            raise SealBroken(WHAT_SEED)
        return key

    async def _wrap(self, context: WrapContext, key: bytes) -> WrappedSeed:
        kid, wrapped = await self._keys.wrap(context, key)
        if await self._keys.unwrap(kid, context, wrapped) != key:
            raise SealBroken("what was wrapped just now")
        return WrappedSeed(kid, context.generation, wrapped)


def _place(stored: StoredSeed) -> WrapContext:
    return WrapContext("seed", stored.project_id, stored.seed.generation)
