"""Keyed digests: of API keys' secrets, and of requests that may be sent again."""

from __future__ import annotations

from hmac import compare_digest

from regcred.adapters.sealing.framing import frame
from regcred.adapters.sealing.mac import Mac

# What an unknown key is compared with. It costs the same as a digest; that it cannot be matched
# rests on `matches`, not on nobody finding a secret with this digest.
_NOBODY = bytes(32)


class PepperedDigests:
    """Implements KeyDigests: HMAC-SHA-256.

    A slow hash would add nothing: the secrets are 256 random bits, not passwords.
    """

    __slots__ = ("__pepper",)

    def __init__(self, pepper: bytes) -> None:
        self.__pepper = Mac(pepper)

    def digest(self, secret: str) -> bytes:
        """Return the 32 bytes that are stored for a key."""
        return self.__pepper.of(secret.encode())

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Compare in constant time; None (no such key) costs the same and is False."""
        stored = _NOBODY if digest is None else digest
        equal = compare_digest(self.digest(secret), stored)
        return equal and digest is not None

    def __repr__(self) -> str:
        return "<key digests>"


class RequestDigests:
    """Says whether a repeated request is the same one, without keeping what was in it.

    A plain hash would let a reader of the store test guesses at the password in the request.
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = Mac(key)

    def digest(self, *parts: bytes) -> bytes:
        """Return 32 bytes for this list of parts; another split of the same bytes differs."""
        return self.__key.of(frame(*parts))

    def __repr__(self) -> str:
        return "<request digests>"
