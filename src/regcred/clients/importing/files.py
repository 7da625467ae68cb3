"""Files of other programs: small, whole, and never written to."""

from __future__ import annotations

import sys
from pathlib import Path

from regcred.clients.importing.found import NotImportable
from regcred.clients.reading import NotPlain, read_plain

MAX_FILE = 16 * 1024 * 1024
STDIN = Path("-")


def read_text(path: Path, *, private: bool = False) -> str:
    """Return a file's text, of standard input for `-`. Raise NotImportable.

    With `private`, refuse a file that others than its owner may read.
    """
    if path == STDIN:
        content = sys.stdin.buffer.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise NotImportable("it is too long")
    else:
        content = _content(path, private=private)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotImportable("it is not UTF-8 text") from None


def _content(path: Path, *, private: bool) -> bytes:
    try:
        content, status = read_plain(path, MAX_FILE)
    except NotPlain as why:
        raise NotImportable(f"it {why}") from None
    except OSError as why:
        raise NotImportable(f"it cannot be read: {why.strerror}") from None
    if private and status.st_mode & 0o077:
        raise NotImportable("others may read it: chmod 600")
    return content
