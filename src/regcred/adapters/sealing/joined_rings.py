"""Several key rings as one: the first wraps, all of them unwrap.

That is how a store moves from a file to a key service, or from one service to another: the new
ring joins behind the old one everywhere, then stands before it, then everything is wrapped anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from regcred.adapters.sealing.key_encryption import KeyEncryption, WrapContext
from regcred.domain.errors import KeyringUnavailable
from regcred.domain.ports.measuring import KeyServiceFigures


class Ring(KeyEncryption, Protocol):
    """A ring that can stand beside others."""

    def knows(self, kid: str) -> bool:
        """Whether it has the key, were it only since now."""
        ...

    @property
    def remote(self) -> bool:
        """Whether wrapping asks a service, which may be away while this process is well."""
        ...

    async def away(self) -> bool:
        """Whether that service does not answer now; asked seldom, however often this is."""
        ...

    def figures(self) -> Sequence[KeyServiceFigures]:
        """Return what it says of each service that it asks."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class JoinedRings:
    """Implements KeyEncryption over at least one other. A kid that two have is the first's."""

    __slots__ = ("_rings",)

    def __init__(self, rings: Sequence[Ring]) -> None:
        if not rings:
            raise ValueError("at least one ring is needed")
        self._rings = tuple(rings)

    @property
    def primary(self) -> str:
        """The id of the first ring's key that wraps now."""
        return self._rings[0].primary

    @property
    def kids(self) -> frozenset[str]:
        """The ids of every key of every ring."""
        return frozenset().union(*(ring.kids for ring in self._rings))

    async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
        """Wrap by the first ring. Raise KeyringUnavailable: no other is tried."""
        return await self._rings[0].wrap(context, plaintext)

    async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
        """Unwrap by the ring that has the key. Raise SealBroken, KeyringUnavailable."""
        for ring in self._rings:
            if ring.knows(kid):
                return await ring.unwrap(kid, context, wrapped)
        raise KeyringUnavailable("it has no key of the id that a seed is wrapped by")

    def knows(self, kid: str) -> bool:
        """Whether a ring has the key, were it only since now."""
        return any(ring.knows(kid) for ring in self._rings)

    @property
    def remote(self) -> bool:
        """Whether the first ring asks a service."""
        return self._rings[0].remote

    async def away(self) -> bool:
        """Whether the first ring's service does not answer."""
        return await self._rings[0].away()

    def figures(self) -> Sequence[KeyServiceFigures]:
        """Return what every ring says."""
        return [figures for ring in self._rings for figures in ring.figures()]

    def close(self) -> None:
        """Close every ring."""
        for ring in self._rings:
            ring.close()

    def __repr__(self) -> str:
        return f"JoinedRings({', '.join(map(repr, self._rings))})"
