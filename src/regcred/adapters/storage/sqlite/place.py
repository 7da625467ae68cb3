"""Where the store lives: a private directory on a file system that can carry it.

The one thing you would get wrong: the mode of `-wal` and `-shm`. SQLite gives them the mode of
the database file, so that file must be private before SQLite first opens it.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from regcred.domain.errors import StartRefused

DATABASE = "regcred.db"
LOCK = "serve.lock"
MOUNTINFO = Path("/proc/self/mountinfo")

_DIRECTORY_MODE, _FILE_MODE = 0o700, 0o600
_OTHERS = 0o077

# WAL needs shared memory and locks that hold, which none of these promises (sqlite.org/wal.html).
_NETWORK = frozenset(
    {
        "afs", "ceph", "cifs", "coda", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
        "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs",
    }
)  # fmt: skip


def make_private(directory: Path) -> Path:
    """Make the store's directory and an empty database file, closed to everyone else.

    Return the file's path. What others may read or write is tightened; raise StartRefused where
    that is impossible, or where the file system is a network's.
    """
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        _tighten(directory, _DIRECTORY_MODE)
        _refuse_network(directory)
        path = directory / DATABASE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _FILE_MODE))
        _tighten(path, _FILE_MODE)
    except OSError as error:
        raise StartRefused(
            f"cannot use {directory} for the store ({error.strerror}): it must be a directory "
            f"that this user owns"
        ) from error
    return path


def network_file_system(directory: Path, mountinfo: str) -> str | None:
    """Return the type of the network file system that holds `directory`, None for a local one.

    `mountinfo` is the text of /proc/self/mountinfo (proc(5)); `directory` must be resolved.
    """
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        mount, _, tail = line.partition(" - ")
        point = Path(_unescape(mount.split(" ")[4]))
        # Of mounts over one another the last one counts, hence >=.
        if directory.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), tail.split(" ")[0]
    return kind if kind in _NETWORK else None


class ServingLock:
    """The right to serve from a directory, held by one process until it ends, however it ends.

    A lock of its own, beside SQLite's: commands of the operator work next to a server, a second
    server does not. Closing the file, also by kill -9, gives it back at once.
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock. Raise StartRefused when another process has it."""
        make_private(directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(directory / LOCK, flags, _FILE_MODE)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StartRefused(
                f"another process serves from {directory}: stop it first. One process serves an "
                "SQLite store; operator's commands work beside it"
            ) from None

    def close(self) -> None:
        """Give the lock back. Closing twice is nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _tighten(path: Path, mode: int) -> None:
    if path.stat().st_mode & _OTHERS:
        path.chmod(mode)


def _refuse_network(directory: Path) -> None:
    mountinfo = MOUNTINFO.read_text(errors="surrogateescape")
    kind = network_file_system(directory.resolve(), mountinfo)
    if kind is not None:
        raise StartRefused(
            f"{directory} is on a network file system ({kind}), where SQLite loses data: "
            "put the store on a local disk"
        )


def _unescape(text: str) -> str:
    """Undo the octal escapes of space, tab, line feed and backslash in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
