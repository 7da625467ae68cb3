"""Key-encryption keys in one private file: the embedded default (docs/sealing.md, key ring).

Losing this file loses every secret, backups included. So it is never overwritten, never made
where a store already needs another one, and a damaged one stops the start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from regcred.adapters.sealing.box import (
    FRESH_SIZE,
    OVERHEAD,
    ROOT_SIZE,
    SUITE,
    close_box,
    open_box,
)
from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_file import (
    MAX_FILE,
    Damaged,
    KeyRing,
    decode_key_ring,
    encode_key_ring,
)
from regcred.adapters.sealing.private_file import create_private, read_private
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from regcred.domain.ports import RandomBytes

WRAPPED_SIZE = 1 + OVERHEAD + ROOT_SIZE
WHAT = "key ring"
_RESTORE = "restore the file from your backup; without it the stored secrets are lost"


class FileKeyring:
    """Implements KeyEncryption: a wrapped key is `suite(1) | box`, under the key of its kid."""

    __slots__ = ("_random", "_ring")

    def __init__(self, ring: KeyRing, random: RandomBytes) -> None:
        self._ring = ring
        self._random = random

    @classmethod
    def create(cls, path: Path, *, random: RandomBytes, now: datetime) -> FileKeyring:
        """Write a ring of one fresh key, then read it back. Raise StartRefused if one is there."""
        kid = "kek-" + random(8).hex()
        data = encode_key_ring(kid, random(ROOT_SIZE), now)
        create_private(path, data, what=WHAT, suffix=random(8).hex())
        return cls.load(path, random=random)

    @classmethod
    def load(cls, path: Path, *, random: RandomBytes) -> FileKeyring:
        """Read a ring. Raise StartRefused, saying what to do, for every other kind of file."""
        try:
            data = read_private(path, what=WHAT, limit=MAX_FILE)
        except FileNotFoundError:
            data = None
        if data is None:
            raise StartRefused(f"there is no key ring at {path}: {_RESTORE}")
        try:
            return cls(decode_key_ring(data), random)
        except Damaged as damage:
            raise StartRefused(f"the key ring {path} is damaged: {damage}; {_RESTORE}") from None

    @classmethod
    def open_or_create(
        cls,
        path: Path,
        *,
        store_is_empty: bool,
        kids_in_use: Iterable[str],
        random: RandomBytes,
        now: datetime,
    ) -> FileKeyring:
        """Apply the rule of start: a ring is made only where nothing was ever sealed.

        Raise StartRefused for a missing ring beside a store that holds something, and for a ring
        that lacks a key the store's seeds are wrapped by.
        """
        needed = frozenset(kids_in_use)
        # lexists: a dangling link is a mistake to report, not an invitation to make a ring.
        if store_is_empty and not needed and not os.path.lexists(path):
            return cls.create(path, random=random, now=now)
        keyring = cls.load(path, random=random)
        missing = sorted(needed - keyring.kids)
        if missing:
            raise StartRefused(
                f"the key ring {path} lacks {', '.join(missing)}, which wraps seeds of this store:"
                f" it belongs to another store, or is an older copy; {_RESTORE}"
            )
        return keyring

    @property
    def primary(self) -> str:
        """The id of the key that wraps now."""
        return self._ring.primary

    @property
    def kids(self) -> frozenset[str]:
        """The ids of every key in the file."""
        return frozenset(self._ring.roots)

    async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
        """Wrap 32 bytes under the primary key."""
        if len(plaintext) != ROOT_SIZE:
            raise ValueError(f"only keys of {ROOT_SIZE} bytes are wrapped")
        kid, roots = self._ring
        bound = context.associated_data(kid)
        box = close_box(SUITE, roots[kid], self._random(FRESH_SIZE), bound, plaintext)
        return kid, bytes((SUITE,)) + box

    async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
        """Unwrap with the key `kid`. Raise SealBroken, or KeyringUnavailable for no such key."""
        root = self._ring.roots.get(kid)
        if root is None:
            raise KeyringUnavailable("it has no key of the id that a seed is wrapped by")
        if len(wrapped) != WRAPPED_SIZE:
            raise SealBroken("a wrapped key")
        suite = wrapped[0]
        bound = context.associated_data(kid, suite)
        return open_box(suite, root, bound, wrapped[1:], "a wrapped key")

    def __repr__(self) -> str:
        return f"FileKeyring({len(self._ring.roots)} keys, primary {self.primary!r})"
