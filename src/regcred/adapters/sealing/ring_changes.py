"""Changes to a key-ring file: a key joins, a key becomes primary, a key leaves.

Each writes the whole file anew in one step, from what was there under a lock: two operators lose
nothing of each other's, and a crash leaves the old file or the new one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from regcred.adapters.sealing.box import ROOT_SIZE
from regcred.adapters.sealing.key_file import (
    MAX_FILE,
    Damaged,
    RingKey,
    decode_keys,
    encode_keys,
    time_text,
)
from regcred.adapters.sealing.private_file import create_private, read_private, replace_private
from regcred.domain.errors import StartRefused
from regcred.domain.ports import RandomBytes

WHAT = "key ring"


def add_key(path: Path, *, random: RandomBytes, now: datetime) -> str:
    """Put a fresh key behind the others, not primary yet, and return its id.

    Raise StartRefused for a ring that cannot be read, and while an earlier key waits to become
    primary: a second one would be nobody's.
    """
    with _locked(path):
        primary, keys = read_ring(path)
        if keys[-1].kid != primary:
            raise StartRefused(f"{keys[-1].kid} of {path} waits to become primary already")
        kid = "kek-" + random(8).hex()
        keys.append(RingKey(kid, random(ROOT_SIZE), time_text(now)))
        _write(path, primary, keys)
        return kid


def make_primary(path: Path, kid: str) -> None:
    """Have a key of the ring wrap from now on. Raise StartRefused if it has no such key."""
    with _locked(path):
        _, keys = read_ring(path)
        if kid not in {key.kid for key in keys}:
            raise StartRefused(f"the key ring {path} has no key {kid}")
        _write(path, kid, keys)


def remove_key(path: Path, kid: str) -> None:
    """Take a key out for good. Raise StartRefused if it is primary or not there."""
    with _locked(path):
        primary, keys = read_ring(path)
        if kid == primary:
            raise StartRefused(f"{kid} is the primary key: `regcred keys rotate` makes another")
        if kid not in {key.kid for key in keys}:
            raise StartRefused(f"the key ring {path} has no key {kid}")
        _write(path, primary, [key for key in keys if key.kid != kid])


def write_ring(path: Path, primary: str, keys: list[RingKey], *, suffix: str) -> None:
    """Write a new ring where there is none. Raise StartRefused when the path is taken."""
    create_private(path, encode_keys(primary, keys), what=WHAT, suffix=suffix)


def read_ring(path: Path) -> tuple[str, list[RingKey]]:
    """Return the primary's id and every key, bare. Raise StartRefused."""
    try:
        data = read_private(path, what=WHAT, limit=MAX_FILE)
    except FileNotFoundError:
        data = b""
    try:
        return decode_keys(data)
    except Damaged as damage:
        why = f"is damaged: {damage}" if data else "is not there"
    raise StartRefused(f"the key ring {path} {why}: restore it from your backup")


def _write(path: Path, primary: str, keys: list[RingKey]) -> None:
    data = encode_keys(primary, keys)
    if len(data) > MAX_FILE:
        raise StartRefused(f"the key ring {path} is full: remove keys that nothing needs first")
    replace_private(path, data)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the ring's directory: the file itself is replaced, so a lock on it would go with it."""
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        directory = -1
    if directory < 0:
        raise StartRefused(f"the key ring {path} is not there: restore it from your backup")
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
