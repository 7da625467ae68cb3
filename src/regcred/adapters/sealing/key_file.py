"""The text of a key-ring file: what `file_keyring` reads and writes, without the file.

Every key has a check value derived from it and its id, so a key that was truncated, retyped or
put under another id is noticed before anything is sealed or opened with it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import datetime
from hmac import compare_digest
from typing import NamedTuple

from regcred.adapters.sealing.box import ROOT_SIZE, Root

VERSION = 1
WRAP_LABEL = b"regcred-wrap-v1"
CHECK_LABEL = b"regcred-key-check-v1"
CHECK_SIZE = 16
MAX_FILE = 64 * 1024

_KID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_FILE_FIELDS = {"version", "primary", "keys"}
_KEY_FIELDS = {"kid", "created_at", "key", "check"}


class Damaged(Exception):
    """The text is no key ring; the message says why and holds nothing of the text."""


class KeyRing(NamedTuple):
    """A key ring as read: roots by key id, in the file's order, and which of them wraps now."""

    primary: str
    roots: Mapping[str, Root]

    @property
    def waiting(self) -> str | None:
        """The newest key, if it stands behind the primary: it was made to become the next one."""
        newest = tuple(self.roots)[-1]
        return None if newest == self.primary else newest


class RingKey(NamedTuple):
    """One key of a ring, bare: for what writes rings and takes them apart."""

    kid: str
    key: bytes
    created_at: str

    def __repr__(self) -> str:
        return f"RingKey({self.kid!r})"


def encode_key_ring(kid: str, key: bytes, created_at: datetime) -> bytes:
    """Return the text of a ring with one key."""
    return encode_keys(kid, [RingKey(kid, key, time_text(created_at))])


def encode_keys(primary: str, keys: Sequence[RingKey]) -> bytes:
    """Return the text of a ring of these keys, one of which is the primary."""
    entries = [
        {
            "kid": kid,
            "created_at": created_at,
            "key": b64encode(key).decode(),
            "check": check_value(key, kid).hex(),
        }
        for kid, key, created_at in keys
    ]
    ring = {"version": VERSION, "primary": primary, "keys": entries}
    return json.dumps(ring, indent=2).encode() + b"\n"


def time_text(at: datetime) -> str:
    """Return a time as the file has it."""
    return at.isoformat().replace("+00:00", "Z")


def decode_key_ring(data: bytes) -> KeyRing:
    """Read a ring. Raise Damaged for anything that `encode_key_ring` could not have led to."""
    primary, keys = decode_keys(data)
    return KeyRing(primary, {kid: Root(key, WRAP_LABEL) for kid, key, _ in keys})


def decode_keys(data: bytes) -> tuple[str, list[RingKey]]:
    """Read a ring's keys bare, in the order of the file, behind its primary's id. Raise Damaged."""
    ring = _fields(_json(data), _FILE_FIELDS, "the file")
    if ring["version"] != VERSION or ring["version"] is True:
        raise Damaged(f"its version is not {VERSION}, the only one this release reads")
    entries = ring["keys"]
    if not isinstance(entries, list) or not entries:
        raise Damaged("it holds no keys")
    keys: dict[str, RingKey] = {}
    for number, entry in enumerate(entries, start=1):
        key = _entry(entry, f"key {number}")
        if key.kid in keys:
            raise Damaged(f"key {number} has the id of another key")
        keys[key.kid] = key
    primary = ring["primary"]
    if not isinstance(primary, str) or primary not in keys:
        raise Damaged("its primary key is not among its keys")
    return primary, list(keys.values())


def check_value(key: bytes, kid: str) -> bytes:
    """Return 16 bytes that show which key this is, and nothing of it."""
    return Root(key, CHECK_LABEL).expand(kid.encode())[0][:CHECK_SIZE]


def _entry(entry: object, where: str) -> RingKey:
    fields = _fields(entry, _KEY_FIELDS, where)
    if not all(isinstance(value, str) for value in fields.values()):
        raise Damaged(f"{where} has a field that is not text")
    kid, check = str(fields["kid"]), str(fields["check"])
    if not _KID.match(kid):
        raise Damaged(f"{where} has an id that is not 1-64 letters, digits, '.', '_' or '-'")
    key = _key(str(fields["key"]), where)
    if not compare_digest(check_value(key, kid).hex().encode(), check.encode()):
        raise Damaged(f"{where} does not agree with its check value")
    return RingKey(kid, key, str(fields["created_at"]))


def _key(text: str, where: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        key = b""
    if len(key) != ROOT_SIZE:
        raise Damaged(f"{where} is not {ROOT_SIZE} bytes in base64")
    return key


def _fields(value: object, names: set[str], where: str) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != names:
        raise Damaged(f"{where} is not an object of exactly {', '.join(sorted(names))}")
    return value


def _json(data: bytes) -> object:
    # The decoders' errors carry the whole text, keys included: none may become the context of
    # what is raised, so nothing is raised while one is being handled.
    try:
        parsed: object = json.loads(data.decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        parsed = None
    if parsed is None:
        raise Damaged("it is not JSON, or was cut short")
    return parsed


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)
