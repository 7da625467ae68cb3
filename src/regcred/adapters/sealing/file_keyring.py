"""Key-encryption keys in one private file: the embedded default (docs/sealing.md, key ring).

Losing this file loses every secret, backups included. So it is never overwritten, never made
where a store already needs another one, and a damaged one stops the start.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path

import structlog

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
from regcred.domain.ports.measuring import KeyServiceFigures

WRAPPED_SIZE = 1 + OVERHEAD + ROOT_SIZE
WHAT = "key ring"
_Seen = tuple[int, int, int, int, int]
_log = structlog.get_logger("regcred.keys")
_RESTORE = "restore the file from your backup; without it the stored secrets are lost"


class FileKeyring:
    """Implements KeyEncryption: a wrapped key is `suite(1) | box`, under the key of its kid.

    A ring that was loaded from a path follows its file: `keys rotate` beside a running service
    needs no restart. It looks before it wraps, and when a key is asked for that it does not have.
    """

    __slots__ = ("_path", "_random", "_ring", "_seen")

    def __init__(
        self,
        ring: KeyRing,
        random: RandomBytes,
        path: Path | None = None,
        seen: _Seen | None = None,
    ) -> None:
        self._ring = ring
        self._random = random
        self._path = path
        self._seen = seen

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
        # Looked at before it is read: what comes between is then another file, and read again.
        seen = _look(path)
        return cls(_read(path), random, path, seen)

    @classmethod
    def read_once(cls, descriptor: int, *, random: RandomBytes) -> FileKeyring:
        """Read a ring from an open file descriptor, and close it. Raise StartRefused."""
        where = f"{WHAT} at file descriptor {descriptor}"
        try:
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as failure:
            raise StartRefused(f"the {where} cannot be read ({failure.strerror})") from None
        if len(data) > MAX_FILE:
            raise StartRefused(f"the {where} is larger than {MAX_FILE} bytes")
        try:
            return cls(decode_key_ring(data), random)
        except Damaged as damage:
            raise StartRefused(f"the {where} is damaged: {damage}; {_RESTORE}") from None

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
        require_kids(keyring.kids, needed, f"the key ring {path}")
        return keyring

    @property
    def primary(self) -> str:
        """The id of the key that wraps now."""
        return self._ring.primary

    @property
    def kids(self) -> frozenset[str]:
        """The ids of every key in the file."""
        return frozenset(self._ring.roots)

    @property
    def waiting(self) -> str | None:
        """The id of the key that is to become primary next, if there is one."""
        return self._ring.waiting

    def knows(self, kid: str) -> bool:
        """Whether the ring has the key, were it only since now."""
        if kid not in self._ring.roots:
            self._follow()
        return kid in self._ring.roots

    @property
    def remote(self) -> bool:
        """A file is here."""
        return False

    async def away(self) -> bool:
        """A file that was read does not go away."""
        return False

    def figures(self) -> Sequence[KeyServiceFigures]:
        """It asks no service."""
        return ()

    def close(self) -> None:
        """Nothing is held."""

    async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
        """Wrap 32 bytes under the primary key."""
        self._follow()
        if len(plaintext) != ROOT_SIZE:
            raise ValueError(f"only keys of {ROOT_SIZE} bytes are wrapped")
        kid, roots = self._ring
        bound = context.associated_data(kid)
        box = close_box(SUITE, roots[kid], self._random(FRESH_SIZE), bound, plaintext)
        return kid, bytes((SUITE,)) + box

    async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
        """Unwrap with the key `kid`. Raise SealBroken, or KeyringUnavailable for no such key."""
        if not self.knows(kid):
            raise KeyringUnavailable("it has no key of the id that a seed is wrapped by")
        if len(wrapped) != WRAPPED_SIZE:
            raise SealBroken("a wrapped key")
        root = self._ring.roots[kid]
        suite = wrapped[0]
        bound = context.associated_data(kid, suite)
        return open_box(suite, root, bound, wrapped[1:], "a wrapped key")

    def _follow(self) -> None:
        """Read the file again if it is another one; a ring that has fewer keys is not believed."""
        if self._path is None or (seen := _look(self._path)) in (None, self._seen):
            return
        try:
            ring = _read(self._path)
        except (StartRefused, OSError) as refusal:
            _log.error("the key ring cannot be read again", error=type(refusal).__name__)
            return
        self._seen = seen
        if not self._ring.roots.keys() <= ring.roots.keys():
            _log.warning("the key ring lost keys")
            return
        self._ring = ring
        _log.info("the key ring was read again", count=len(ring.roots))

    def __repr__(self) -> str:
        return f"FileKeyring({len(self._ring.roots)} keys, primary {self.primary!r})"


def require_kids(kids: Collection[str], needed: Collection[str], what: str) -> None:
    """Pass if every key that the store needs is there. Raise StartRefused, which names the rest."""
    missing = sorted(set(needed) - set(kids))
    if missing:
        raise StartRefused(
            f"{what} lacks {', '.join(missing)}, which wraps seeds of this store:"
            f" it belongs to another store, or is an older copy; {_RESTORE}"
        )


def _read(path: Path) -> KeyRing:
    try:
        data = read_private(path, what=WHAT, limit=MAX_FILE)
    except FileNotFoundError:
        data = None
    if data is None:
        raise StartRefused(
            f"there is no key ring at {path}: name it with --data or --keyring, copy it from the"
            " other machine, or restore it from your backup; without it the stored secrets are lost"
        )
    try:
        return decode_key_ring(data)
    except Damaged as damage:
        raise StartRefused(f"the key ring {path} is damaged: {damage}; {_RESTORE}") from None


def _look(path: Path) -> _Seen | None:
    """Return what tells one file at the path from another; None if there is none to be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    # The time of change as well: a copy may keep the size and the time of what it replaces.
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_ino, *times, found.st_size, found.st_mode
