"""Keyed digests: of API keys' secrets, of what keys may do, and of requests sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hmac import compare_digest

from regcred.adapters.sealing.framing import frame
from regcred.adapters.sealing.mac import Mac
from regcred.domain.access import ApiKey
from regcred.domain.ports import StoredKey

# What an unknown key is compared with. It costs the same as a digest; that it cannot be matched
# rests on `matches`, not on nobody finding a secret with this digest.
_NOBODY = bytes(32)

_KEY_FRAME = b"regcred-api-key-v1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_REMEMBERED = 8192
"""Keys that are remembered as genuine. When there are more, all are forgotten."""


class PepperedDigests:
    """Implements KeyDigests: HMAC-SHA-256.

    A slow hash would add nothing: the secrets are 256 random bits, not passwords.
    """

    __slots__ = ("__genuine", "__pepper", "__row")

    def __init__(self, pepper: bytes, row: bytes) -> None:
        """`pepper` is for digests of secrets, `row` for stamps: 32 bytes each."""
        self.__pepper = Mac(pepper)
        self.__row = Mac(row)
        self.__genuine: dict[int, StoredKey] = {}

    def digest(self, secret: str) -> bytes:
        """Return the 32 bytes that are stored for a key."""
        return self.__pepper.of(secret.encode())

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Compare in constant time; None (no such key) costs the same and is False."""
        stored = _NOBODY if digest is None else digest
        equal = compare_digest(self.digest(secret), stored)
        return equal and digest is not None

    def stamp(self, key: ApiKey, digest: bytes) -> bytes:
        """Return 32 bytes over everything that decides what the key may do, and its version."""
        expires = key.expires_at
        return self.__row.of(
            frame(
                _KEY_FRAME,
                key.id.encode(),
                digest,
                str(key.project_id).encode(),
                key.role.encode(),
                b"\1" if key.operator else b"\0",
                frame(*(str(pattern).encode() for pattern in key.image_patterns)),
                frame() if expires is None else frame(_micros(expires)),
                b"\1" if key.disabled else b"\0",
                b"%d" % key.version,
            )
        )

    def genuine(self, stored: StoredKey) -> bool:
        """Whether the stamp was made here, for this key and this digest. In constant time.

        Every request asks, so an object that passed is remembered. It is known by its identity:
        it cannot change, and as long as it is kept here no other has its id. The store gives the
        same object for the same row; an edited row is another one and is verified anew.
        """
        known = self.__genuine
        if known.get(id(stored)) is stored:
            return True
        if not compare_digest(self.stamp(stored.key, stored.digest), stored.stamp):
            return False
        if len(known) >= _REMEMBERED:
            known.clear()
        known[id(stored)] = stored
        return True

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


def _micros(at: datetime) -> bytes:
    """Return microseconds since 1970 UTC in decimal: an edited row may hold a time before that."""
    return b"%d" % ((at - _EPOCH) // _MICROSECOND)
