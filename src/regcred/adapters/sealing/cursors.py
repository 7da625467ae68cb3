"""Page positions that clients carry: sealed, so that they tell nothing and cannot be moved."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from regcred.adapters.sealing.box import FRESH_SIZE, OVERHEAD, SUITE, Root, close_box, open_box
from regcred.adapters.sealing.framing import frame
from regcred.domain.errors import InvalidInput, SealBroken
from regcred.domain.ports import RandomBytes

LABEL = b"regcred-cursor-v1"
MAX_POSITION = 1024
"""Bytes of UTF-8: a name of 255 characters and a number fit."""

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+\Z")
MAX_CURSOR = -(-(OVERHEAD + MAX_POSITION) * 4 // 3)


class SealedCursors:
    """Implements Cursors: a box in base64url without padding, bound to one project and listing."""

    __slots__ = ("_random", "_root")

    def __init__(self, key: bytes, random: RandomBytes) -> None:
        self._root = Root(key, LABEL)
        self._random = random

    def seal(self, project_id: str, listing: str, position: str) -> str:
        """Return URL-safe text. Raise ValueError for a position that could not be opened."""
        plaintext = position.encode()
        if len(plaintext) > MAX_POSITION:
            raise ValueError(f"a position has at most {MAX_POSITION} bytes")
        fresh = self._random(FRESH_SIZE)
        box = close_box(SUITE, self._root, fresh, _bind(project_id, listing), plaintext)
        return _encode(box)

    def open(self, project_id: str, listing: str, cursor: str) -> str:
        """Return the position. Raise InvalidInput(`cursor`) for anything not sealed here."""
        try:
            box = _decode(cursor)
            bound = _bind(project_id, listing)
            return open_box(SUITE, self._root, bound, box, "cursor").decode()
        except SealBroken:
            raise InvalidInput(
                "cursor", "must be a next_cursor of this list, unchanged: start again without it"
            ) from None


def _bind(project_id: str, listing: str) -> bytes:
    return frame(LABEL, project_id.encode(), listing.encode())


def _encode(box: bytes) -> str:
    return urlsafe_b64encode(box).rstrip(b"=").decode()


def _decode(cursor: str) -> bytes:
    if len(cursor) > MAX_CURSOR or not _ALPHABET.match(cursor) or len(cursor) % 4 == 1:
        raise SealBroken("cursor")
    box = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    # The last character may hold bits that decoding drops: one box has one spelling.
    if _encode(box) != cursor:
        raise SealBroken("cursor")
    return box
