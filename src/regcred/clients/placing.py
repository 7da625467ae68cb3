"""Write a file in one step, so that nobody ever reads or runs half of it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OURS_ALONE = 0o600


@contextmanager
def staged(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Yield a whole file beside `path`, to be renamed or linked to it. Raise OSError.

    What is left of it goes at the end, and what was done in the folder outlasts a power cut.
    """
    # mkstemp makes it 0600, so that secrets are never in a file that others may read.
    file, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(file, mode)
            os.fsync(file)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    settle(path.parent)


def write_whole(path: Path, content: bytes, mode: int, *, replace: bool = True) -> Path:
    """Put a file in place of whatever was there; the old one stays if it fails.

    Without `replace` only where nothing is. Raise FileExistsError, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _put(path, content, mode, replace=replace)
    return path


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file that its owner alone reads, where a link leads. Raise as `write_whole` does."""
    _put(plain(path) if replace else path, content, _OURS_ALONE, replace=replace)


def plain(path: Path) -> Path:
    """Return where a file is or would be, links followed.

    Raise OSError for what no file can take the place of: a device, a pipe, somebody else's.
    """
    target = Path(os.path.realpath(path))
    try:
        found = target.lstat()
    except FileNotFoundError:
        if path.is_symlink():
            why = f"it is a link to {target}, which is not there"
            raise FileNotFoundError(errno.ENOENT, why) from None
        return target
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a file")
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user")
    return target


def _put(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    with staged(path, content, mode) as temporary:
        if replace:
            temporary.replace(path)
        else:
            # A link is refused where something stands; looking first would be a race.
            path.hardlink_to(temporary)


def settle(folder: Path) -> None:
    """Make what was done in a folder outlast a power cut. Raise OSError."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
