"""The port behind which key-encryption keys live: a file here, a key service elsewhere.

A key service fits by wrapping 32 bytes under its own key and binding the context in its own way:
AWS KMS as the encryption context (`context._asdict()` as text), Google KMS and Vault's transit as
additional authenticated data (`context.associated_data(kid)`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from regcred.adapters.sealing.box import SUITE
from regcred.adapters.sealing.framing import frame

MAX_KID = 1024
"""Bytes. A key service's resource name fits."""

MAX_WRAPPED = 1024
"""Bytes. Larger than any key service makes of 32 bytes."""


class WrapContext(NamedTuple):
    """What a wrapped key is for; unwrapping it for anything else fails."""

    purpose: str
    """`seed` (a project's) or `service` (the service's own root)."""

    subject: str
    """The project's id, or the name of the service key."""

    generation: int

    def associated_data(self, kid: str, suite: int = SUITE) -> bytes:
        """Return the bytes that a wrapped key is bound to."""
        return frame(
            b"regcred-" + self.purpose.encode(),
            self.subject.encode(),
            self.generation.to_bytes(4),
            kid.encode(),
            bytes((suite,)),
        )


class KeyEncryption(Protocol):
    """Wraps the few 32-byte keys that everything else is derived from."""

    @property
    def primary(self) -> str:
        """The id of the key that wraps now."""
        ...

    @property
    def kids(self) -> frozenset[str]:
        """The ids of every key that unwraps."""
        ...

    async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
        """Wrap 32 bytes under the primary key: (kid, wrapped). Raise KeyringUnavailable."""
        ...

    async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
        """Unwrap with exactly the key `kid`, never by trial.

        Raise SealBroken when it does not open, KeyringUnavailable when the key cannot be had
        (now, or not in this process).
        """
        ...
