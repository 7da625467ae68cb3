"""Files that hold secrets: whole or not there, readable by their owner alone."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file in one step, 0600. Raise FileExistsError without `replace`, OSError."""
    # mkstemp makes it 0600, so that the secrets are never in a file that others may read.
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            # A link is refused where something stands; looking first would be a race.
            os.link(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
