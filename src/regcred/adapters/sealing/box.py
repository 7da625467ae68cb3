"""One authenticated encryption under a key of its own, derived afresh for every box.

A box is `info(32) | commitment(16) | nonce(12) | ciphertext | tag(16)`. Its key is
HKDF-Expand(root, label | info), where the label says what the root is for: one root makes any
number of boxes, and no nonce is ever a budget. AES-GCM alone does not commit to its key (one
ciphertext can be made to open under two); the next 16 bytes of the same expansion do.
"""

from __future__ import annotations

from hmac import compare_digest
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from regcred.adapters.sealing.mac import Mac
from regcred.domain.errors import SealBroken

ROOT_SIZE = 32
INFO_SIZE = 32
COMMITMENT_SIZE = 16
NONCE_SIZE = 12
TAG_SIZE = 16
FRESH_SIZE = INFO_SIZE + NONCE_SIZE
"""Random bytes that one box uses up."""

OVERHEAD = INFO_SIZE + COMMITMENT_SIZE + NONCE_SIZE + TAG_SIZE

SUITES = {1: AESGCM}
"""Every way a box may be made, by its suite byte. An entry is never changed, only added.

Entries share the sizes above (AES-GCM-SIV and ChaCha20-Poly1305 would). A byte that is not here
is a broken seal: there is no plaintext suite and none can be configured.
"""

SUITE = 1
"""The suite of everything made now."""

_HEAD = Struct(f">{INFO_SIZE}s{COMMITMENT_SIZE}s{NONCE_SIZE}s")
_HEAD_SIZE = _HEAD.size


class Root:
    """A 32-byte key that is only ever expanded, for the one use that its label names."""

    __slots__ = ("__label", "__mac")

    def __init__(self, key: bytes, label: bytes) -> None:
        if len(key) != ROOT_SIZE:
            raise ValueError(f"a root key has {ROOT_SIZE} bytes")
        self.__mac = Mac(key)
        self.__label = label

    def expand(self, info: bytes) -> tuple[bytes, bytes]:
        """Return HKDF-Expand-SHA256(key, label | info, 64) in halves (RFC 5869, section 2.3)."""
        info = self.__label + info
        one = self.__mac.of(info + b"\x01")
        return one, self.__mac.of(one + info + b"\x02")

    def __repr__(self) -> str:
        return "<root key>"


def close_box(
    suite: int, root: Root, fresh: bytes, associated_data: bytes, plaintext: bytes
) -> bytes:
    """Encrypt. `fresh` is FRESH_SIZE random bytes, never used before: 32 of info, 12 of nonce."""
    if len(fresh) != FRESH_SIZE:
        raise ValueError(f"a box needs {FRESH_SIZE} fresh bytes")
    info, nonce = fresh[:INFO_SIZE], fresh[INFO_SIZE:]
    key, commitment = root.expand(info)
    ciphertext = SUITES[suite](key).encrypt(nonce, plaintext, associated_data)
    return info + commitment[:COMMITMENT_SIZE] + nonce + ciphertext


def open_box(suite: int, root: Root, associated_data: bytes, box: bytes, what: str) -> bytes:
    """Decrypt. Raise SealBroken(`what`), for every reason alike.

    `box` has at least OVERHEAD bytes and a size that the caller has bounded.
    """
    aead = SUITES.get(suite)
    if aead is None or len(box) < OVERHEAD:
        raise SealBroken(what)
    info, commitment, nonce = _HEAD.unpack_from(box)
    key, expected = root.expand(info)
    if not compare_digest(expected[:COMMITMENT_SIZE], commitment):
        raise SealBroken(what)
    try:
        return aead(key).decrypt(nonce, box[_HEAD_SIZE:], associated_data)
    except InvalidTag:
        raise SealBroken(what) from None
