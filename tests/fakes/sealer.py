"""A sealer that seals nothing: INSECURE, the secret stands in the sealed bytes as it is.

It keeps the one promise that use cases rely on: a value opens only in the place it was sealed to.
"""

from __future__ import annotations

import json

from regcred.domain.errors import KeyringUnavailable, SealBroken
from regcred.domain.ports import SealContext, WrappedSeed
from regcred.domain.secret import Secret


class PlainSealer:
    """Implements Sealer. Set `available` to False to play a key ring that is away.

    Set `remembers` to False to play one that must be asked for every seed that is sealed under.
    """

    def __init__(self) -> None:
        self.available = True
        self.remembers = True

    async def new_seed(self, project_id: str) -> WrappedSeed:
        self._check()
        return WrappedSeed("fake", 1, b"seed of " + project_id.encode())

    async def seal(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes:
        self._check()
        return self._sealed(seed, context, secret)

    def seal_now(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes | None:
        self._check()
        return self._sealed(seed, context, secret) if self.remembers else None

    def _sealed(self, seed: WrappedSeed, context: SealContext, secret: Secret) -> bytes:
        return json.dumps([_place(seed, context), secret.reveal()]).encode()

    async def open(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret:
        self._check()
        return self.open_now(seed, context, sealed)

    def open_now(self, seed: WrappedSeed, context: SealContext, sealed: bytes) -> Secret:
        self._check()
        place, secret = json.loads(sealed)
        if place != _place(seed, context):
            raise SealBroken("a stored secret")
        return Secret(secret)

    def _check(self) -> None:
        if not self.available:
            raise KeyringUnavailable("switched off by the test")


def _place(seed: WrappedSeed, context: SealContext) -> list[object]:
    provider, url, scopes, username, settings = context.delivery
    where = [provider, url, list(scopes), username, sorted(map(list, settings.items()))]
    return [seed.wrapped.decode(), *context[:4], where]
