"""Files of other programs: small, whole, and never written to."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from regcred.clients.importing.found import Unusable

MAX_FILE = 16 * 1024 * 1024
STDIN = Path("-")


def read_text(path: Path, *, private: bool = False) -> str:
    """Return a file's text, of standard input for `-`. Raise Unusable.

    With `private`, refuse a file that others than its owner may read.
    """
    if path == STDIN:
        content = sys.stdin.buffer.read(MAX_FILE + 1)
    else:
        content = _content(path, private=private)
    if len(content) > MAX_FILE:
        raise Unusable(f"it is larger than {MAX_FILE // 1024 // 1024} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable("it is not UTF-8 text") from None


def _content(path: Path, *, private: bool) -> bytes:
    try:
        # Without O_NONBLOCK a named pipe would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise Unusable("it is not a file")
            if private and mode & 0o077:
                raise Unusable("others may read it: chmod 600")
            return file.read(MAX_FILE + 1)
    except OSError as why:
        raise Unusable(f"it cannot be read: {why.strerror}") from None
