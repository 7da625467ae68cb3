"""Many distinct secrets that one search finds, in whatever form a program gives to text.

All secrets of a run begin and end with the same two marks, which no other text has: what is looked
for are the marks, in every form, so that a thousand secrets cost what one does. Looking through
compressed streams takes reading them. `tests/tools/canary.py` looks for single secrets exactly, and
does so here for what the service makes itself: keys and tokens have no room for a mark.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import quopri
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.tools.canary import Canary, Hit

_AWKWARD = '/+"&<\\\u00e9%'
OWN = 12
"""Digits between the marks that no other secret has."""

_LEAST_STREAM = 16
_INFLATED = 1 << 20
# gzip with deflate, and zlib's headers of a 32 KiB window at its four levels.
_STREAMS = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")


class Mint:
    """Makes the secrets of one run: the same for the same seed."""

    def __init__(self, seed: int) -> None:
        digest = hashlib.sha256(f"canary {seed}".encode()).hexdigest()
        self.marks = (digest[:16], digest[16:32])
        self.made = 0

    def secret(self) -> str:
        """Return one more secret, with characters that every encoding changes."""
        self.made += 1
        own = hashlib.sha256(f"{self.marks} {self.made}".encode()).hexdigest()[:OWN]
        return f"{self.marks[0]}{own}{_AWKWARD}{self.marks[1]}"


def _base64_at(offset: int) -> Callable[[str], bytes]:
    return lambda secret: base64.b64encode(b"x" * offset + secret.encode() + b'"}')


ENCODINGS: Mapping[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "base64 at 0": _base64_at(0),
    "base64 at 1": _base64_at(1),
    "base64 at 2": _base64_at(2),
    "base64url": lambda secret: base64.urlsafe_b64encode(secret.encode()).rstrip(b"="),
    "hex": lambda secret: secret.encode().hex().encode(),
    "URL": lambda secret: quote(secret, safe="").encode(),
    "JSON": lambda secret: json.dumps(secret).encode(),
    "HTML": lambda secret: html.escape(secret).encode(),
    "UTF-16": lambda secret: secret.encode("utf-16-le"),
    "gzip": lambda secret: gzip.compress(f"before {secret} after".encode(), mtime=0),
    "zlib": lambda secret: zlib.compress(f"before {secret} after".encode()),
    "Basic": lambda secret: b"Basic " + base64.b64encode(f"user:{secret}".encode()),
    "quoted-printable": lambda secret: quopri.encodestring(f"{'x' * 40}{secret}".encode()),
    "reversed halves": lambda secret: _turned(secret).encode(),
}
"""How a leak may look; the controls plant each of them in each sink."""


def _turned(secret: str) -> str:
    half = len(secret) // 2
    return secret[half:] + secret[:half]


@dataclass
class MarkScanner:
    """Looks for a mint's secrets, and for single canaries, and keeps what it found."""

    mint: Mint
    hits: list[Hit] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    """Bytes read, by sink: one that was never there is not one that is clean."""

    def __post_init__(self) -> None:
        self._forms = [
            (f"{where} mark, {name}", form)
            for where, mark in zip(("first", "last"), self.mint.marks, strict=True)
            for name, form in _forms(mark)
        ]
        self._exact: list[tuple[str, bytes]] = []

    def add(self, canary: Canary) -> None:
        """Look for a secret that has no marks."""
        self._exact += [(f"{canary.label}, {name}", form) for name, form in canary.forms().items()]

    def scan(self, sink: str, content: bytes) -> list[Hit]:
        """Look through bytes and what is compressed in them; return and keep what was found."""
        hits = [
            Hit(sink, "marked", name)
            for part in (content, *inflated(content))
            for name, form in self._forms
            if form in part
        ]
        hits += [Hit(sink, "exact", name) for name, form in self._exact if form in content]
        self.read[sink] = self.read.get(sink, 0) + len(content)
        self.hits += hits
        return hits


def _forms(mark: str) -> Iterator[tuple[str, bytes]]:
    raw = mark.encode()
    yield "raw", raw
    yield "upper", raw.upper()
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "UTF-16", mark.encode("utf-16-le")
    yield "UTF-16, big end first", mark.encode("utf-16-be")
    yield "reversed", raw[::-1]
    for offset in range(3):
        start, end = (0, 2, 3)[offset], (offset + len(raw)) // 3 * 4
        yield f"base64 at {offset}", base64.b64encode(bytes(offset) + raw)[start:end]


def inflated(content: bytes) -> Iterator[bytes]:
    """Yield what every gzip and zlib stream in `content` holds, as far as it can be read."""
    for found in _STREAMS.finditer(content):
        reader = zlib.decompressobj(wbits=47)
        try:
            text = reader.decompress(content[found.start() : found.start() + _INFLATED], _INFLATED)
        except zlib.error:
            continue
        if len(text) >= _LEAST_STREAM:
            yield text
