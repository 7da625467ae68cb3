"""The domain's Sealer: secrets under projects' seeds, seeds under a key-encryption key."""

from __future__ import annotations

from collections.abc import Callable

from regcred.adapters.sealing.box import FRESH_SIZE, ROOT_SIZE, Root
from regcred.adapters.sealing.envelope import LABEL, WHAT, open_record, seal_record
from regcred.adapters.sealing.key_encryption import (
    MAX_KID,
    MAX_WRAPPED,
    KeyEncryption,
    WrapContext,
)
from regcred.adapters.sealing.seed_cache import SeedCache
from regcred.domain.errors import InvalidInput, SealBroken
from regcred.domain.ports import RandomBytes, SealContext, WrappedSeed
from regcred.domain.secret import Secret

WHAT_SEED = "the project's seed"
FIRST_GENERATION = 1
_MAX_GENERATION = 2**32 - 1


class EnvelopeSealer:
    """Implements `regcred.domain.ports.Sealer`.

    An unwrapped seed is remembered for `cache_ttl` seconds: as long as that, secrets open while
    the key service is away.
    """

    __slots__ = ("_cache", "_keys", "_random", "failures")

    def __init__(
        self,
        keys: KeyEncryption,
        random: RandomBytes,
        monotonic: Callable[[], float],
        *,
        cache_ttl: float = 3600.0,
        cache_size: int = 16384,
    ) -> None:
        self._keys = keys
        self._random = random
        self._cache = SeedCache(monotonic, ttl=cache_ttl, maximum=cache_size)
        self.failures = {"seal": 0, "open": 0}
        """How often a secret did not seal or open because something is broken, by operation."""

    async def new_seed(self, project_id: str) -> WrappedSeed:
        """Make a project's first seed. Raise KeyringUnavailable."""
        context = WrapContext("seed", project_id, FIRST_GENERATION)
        kid, wrapped = await self._keys.wrap(context, self._random(ROOT_SIZE))
        return WrappedSeed(kid, FIRST_GENERATION, wrapped)

    async def seal(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes:
        """Seal a secret to its place. Raise SealBroken, KeyringUnavailable."""
        root = self._cache.get(context.project_id, seed)
        try:
            if root is None:
                root = await self._unwrap(context.project_id, seed)
        except SealBroken:
            self.failures["seal"] += 1
            raise
        return self._seal(root, seed.generation, context, secret)

    def seal_now(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes | None:
        """Seal a secret to its place, if its seed is remembered. Raise SealBroken."""
        root = self._cache.get(context.project_id, seed)
        return None if root is None else self._seal(root, seed.generation, context, secret)

    def _seal(self, root: Root, generation: int, context: SealContext, secret: Secret) -> bytes:
        plaintext = secret.reveal().encode()
        return seal_record(root, generation, context, self._random(FRESH_SIZE), plaintext)

    async def open(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret:
        """Open a sealed secret. Raise SealBroken, KeyringUnavailable."""
        root = self._cache.get(context.project_id, seed)
        if root is None:
            try:
                root = await self._unwrap(context.project_id, seed)
            except SealBroken:
                self.failures["open"] += 1
                raise
        return self._open(root, seed.generation, context, sealed)

    def open_now(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret | None:
        """Open a sealed secret, if its seed is remembered. Raise SealBroken."""
        root = self._cache.get(context.project_id, seed)
        return None if root is None else self._open(root, seed.generation, context, sealed)

    def _open(self, root: Root, generation: int, context: SealContext, sealed: bytes) -> Secret:
        try:
            return _secret(open_record(root, generation, context, sealed))
        except SealBroken:
            self.failures["open"] += 1
            raise

    async def _unwrap(self, project_id: str, seed: WrappedSeed) -> Root:
        kid, generation, wrapped = seed
        if (
            not 1 <= generation <= _MAX_GENERATION
            or len(kid) > MAX_KID
            or len(wrapped) > MAX_WRAPPED
        ):
            raise SealBroken(WHAT_SEED)
        key = await self._keys.unwrap(kid, WrapContext("seed", project_id, generation), wrapped)
        if len(key) != ROOT_SIZE:
            raise SealBroken(WHAT_SEED)
        root = Root(key, LABEL)
        self._cache.put(project_id, seed, root)
        return root


def _secret(plaintext: bytes) -> Secret:
    try:
        return Secret(plaintext.decode())
    except (UnicodeDecodeError, InvalidInput):
        # Raised below and not here: a decoding error carries the plaintext, and an exception
        # raised inside its handler would carry the decoding error.
        pass
    raise SealBroken(WHAT)
