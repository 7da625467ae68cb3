"""The form of an API key: `rgc_<id>_<secret><checksum>`.

Public id (12 base62) to find the row by, secret (43 base62, 256 bits) of which only a digest is
stored, checksum (6 base62 of a CRC-32) so that typos and scanners' false finds are told apart
from real keys without a look-up.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from regcred.domain.errors import NotAuthenticated

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID, _SECRET, _CHECKSUM = 12, 43, 6
RANDOM_BYTES = 48
"""What `ApiToken.mint` takes: 16 for the public id, 32 for the secret."""
_FORM = re.compile(r"rgc_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})\Z")


@dataclass(frozen=True, slots=True, repr=False)
class ApiToken:
    """A well-formed key as it was presented. Its text never shows in a repr."""

    id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> ApiToken:
        """Read a presented key. Raise NotAuthenticated(malformed), which echoes nothing."""
        found = _FORM.match(text)
        if found is None or _checksum(text[:-_CHECKSUM]) != found[3]:
            raise NotAuthenticated("malformed")
        return cls(found[1], found[2])

    @classmethod
    def mint(cls, random: bytes) -> ApiToken:
        """Make a key from RANDOM_BYTES random bytes."""
        if len(random) != RANDOM_BYTES:
            raise ValueError(f"{RANDOM_BYTES} random bytes are needed")
        return cls(_base62(random[:16], _ID), _base62(random[16:], _SECRET))

    def reveal(self) -> str:
        """Return the whole key, shown once."""
        text = f"rgc_{self.id}_{self.secret}"
        return text + _checksum(text)

    def __repr__(self) -> str:
        return f"ApiToken(id={self.id!r})"


_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)


def _checksum(text: str) -> str:
    """Return the CRC-32 in base 62; every request with a key asks, so two digits at a time."""
    high, low = divmod(zlib.crc32(text.encode()), len(_PAIRS))
    high, middle = divmod(high, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def _base62(data: bytes, length: int) -> str:
    number = int.from_bytes(data)
    digits = ""
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits = _ALPHABET[rest] + digits
    return digits
