"""Find a secret wherever it leaked to, in any of the forms that programs give to text.

A canary is a secret made for one test. Its forms are looked for as bytes, so that a database
page, a log line and a process's environment are all the same to the scanner. Halves are forms
too: a message that quotes the first characters of its input, or a page boundary in the middle of
a value, hides a whole secret and not a half of it.
"""

from __future__ import annotations

import base64
import html
import json
import quopri
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

_HALF = 16
_AWKWARD = '/+"&<\\é%'


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret that must not be found. `username` adds the form in which Basic sends both."""

    label: str
    secret: str = field(repr=False)
    username: str = ""

    @classmethod
    def fresh(cls, label: str, username: str = "") -> Canary:
        """Make a secret that no other test has, with characters that every encoding changes."""
        core = secrets.token_hex(_HALF)
        return cls(label, f"{core[:_HALF]}{_AWKWARD}{core[_HALF:]}", username)

    def forms(self) -> dict[str, bytes]:
        """Return every form to look for, by name."""
        raw = self.secret.encode()
        found = {
            "raw": raw,
            "first half": raw[:_HALF],
            "last half": raw[-_HALF:],
            "hex": raw.hex().encode(),
            "HEX": raw.hex().upper().encode(),
            "url": quote(self.secret, safe="").encode(),
            "url, slashes kept": quote(self.secret).encode(),
            "url form": quote_plus(self.secret).encode(),
            "json": json.dumps(self.secret)[1:-1].encode(),
            "json, utf-8": json.dumps(self.secret, ensure_ascii=False)[1:-1].encode(),
            "python": repr(self.secret)[1:-1].encode(),
            "python bytes": repr(raw)[2:-1].encode(),
            "html": html.escape(self.secret).encode(),
            "quoted-printable": quopri.encodestring(raw).replace(b"=\n", b"").strip(),
            "utf-16": self.secret.encode("utf-16-le"),
            "reversed": raw[::-1],
        }
        for offset in range(3):
            text = _inner_base64(raw, offset)
            found[f"base64 at {offset}"] = text
            found[f"base64url at {offset}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.secret}".encode())
            found["basic"] = pair.rstrip(b"=")
        # Two forms of one secret may be the same bytes; the first name speaks for both.
        return {name: form for name, form in found.items() if form}


def _inner_base64(raw: bytes, offset: int) -> bytes:
    """Return the part of the base64 of `raw` that no neighbour can change.

    `offset` is where in a group of three the secret begins; characters that share bits with what
    stands before or after it are left out.
    """
    encoded = base64.b64encode(bytes(offset) + raw)
    start = {0: 0, 1: 2, 2: 3}[offset]
    whole = (offset + len(raw)) // 3 * 4
    return encoded[start:whole]


class Hit(NamedTuple):
    """A canary where it must not be."""

    sink: str
    canary: str
    form: str


class Scanner:
    """Looks for canaries in sinks and keeps what it found and how much it read."""

    def __init__(self, canaries: Iterable[Canary] = ()) -> None:
        self._forms: list[tuple[str, str, bytes]] = []
        self.hits: list[Hit] = []
        self.read: dict[str, int] = {}
        """Bytes read, by sink: a sink that was never there is not one that is clean."""

        for canary in canaries:
            self.add(canary)

    def add(self, canary: Canary) -> None:
        """Look for one more canary from now on."""
        self._forms += [(canary.label, name, form) for name, form in canary.forms().items()]

    def scan(self, sink: str, *contents: bytes) -> list[Hit]:
        """Look through bytes; return and keep what was found."""
        hits = [
            Hit(sink, label, name)
            for content in contents
            for label, name, form in self._forms
            if form in content
        ]
        self.read[sink] = self.read.get(sink, 0) + sum(map(len, contents))
        self.hits += hits
        return hits

    def scan_tree(self, sink: str, folder: Path) -> list[Hit]:
        """Look through the names and the contents of every file below a folder."""
        hits: list[Hit] = []
        for path in files_below(folder):
            where = f"{sink}: {path.relative_to(folder)}"
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # A journal or a temporary file that went away meanwhile.
            hits += self.scan(where, content, str(path).encode())
        return hits

    def scan_process(self, sink: str, pid: int) -> list[Hit]:
        """Look through a live process's arguments and environment.

        An environment that the system refuses to show is as good as a clean one.
        """
        hits: list[Hit] = []
        for name in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{pid}/{name}").read_bytes()
            except PermissionError:
                continue
            hits += self.scan(f"{sink}: {name}", content)
        return hits


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every regular file below a folder; links and sockets are no files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
