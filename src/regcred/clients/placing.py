"""Write a file in one step, so that nobody ever reads or runs half of it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int) -> Path:
    """Put a file in place of whatever was there; the old one stays if it fails. Raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(file, "wb") as out:
            out.write(content)
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        return Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
