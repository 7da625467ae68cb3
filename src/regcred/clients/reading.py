"""Read a file of other programs': plain, whole, and never more than a bound."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple


class NotPlain(Exception):
    """Something that is not read; its text says why, of an "it"."""


class Plain(NamedTuple):
    """A file's content and what the system says of it."""

    content: bytes
    status: os.stat_result


def read_plain(path: Path, most: int, *, follow: bool = True) -> Plain:
    """Return a file of at most `most` bytes. Raise NotPlain, OSError.

    Without `follow` the last name must be no link.
    """
    # Without O_NONBLOCK a named pipe would be waited for.
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    opened = os.open(path, flags)
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise NotPlain("is not a file")
        with os.fdopen(opened, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(opened)
    if len(content) > most:
        raise NotPlain("is too long")
    return Plain(content, status)
