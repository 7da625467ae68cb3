"""HMAC-SHA-256 under a key that is set up once.

`hmac.digest` sets the key up anew each time and gives the interpreter's lock away meanwhile,
which on a busy service costs more than the HMAC (docs/benchmarks.md).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


class Mac:
    """Makes 32-byte codes. The key's bytes are not kept: what stays is an HMAC keyed with them."""

    __slots__ = ("__keyed",)

    def __init__(self, key: bytes) -> None:
        self.__keyed = HMAC(key, SHA256())

    def of(self, data: bytes) -> bytes:
        """Return the HMAC of `data`."""
        mac = self.__keyed.copy()
        mac.update(data)
        return mac.finalize()

    def __repr__(self) -> str:
        return "<mac>"
