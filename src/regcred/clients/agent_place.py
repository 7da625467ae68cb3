"""Where a user's agent listens: a socket of its own, in a folder that nobody else can enter."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from regcred.clients.node.agent_door import agent_socket

_BACKLOG = 64


class CannotListen(Exception):
    """There is no safe place to listen at, or another agent has it; the text says which."""


def socket_path(env: Mapping[str, str]) -> Path:
    """Return where this user's agent listens. Raise CannotListen."""
    path = agent_socket({os.fsencode(name): os.fsencode(value) for name, value in env.items()})
    if not path:
        raise CannotListen("XDG_RUNTIME_DIR is not set: it is the folder for a user's sockets")
    return Path(os.fsdecode(path))


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Yield the listening socket; it and its lock go when the block ends. Raise CannotListen."""
    try:
        _make_folder(path.parent)
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had the lock is gone, and its socket leads nowhere.
            path.unlink(missing_ok=True)
            with _bound(path) as listener:
                yield listener
            with suppress(FileNotFoundError):
                path.unlink()
        finally:
            os.close(lock)
    except BlockingIOError:
        raise CannotListen(f"another agent listens at {path}") from None
    except OSError as why:
        raise CannotListen(f"{path} cannot be listened at: {why.strerror or why}") from None


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _make_folder(folder: Path) -> None:
    """Make the folder, or check the one that is there. Raise CannotListen, OSError."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise CannotListen(f"{folder} is not this user's own folder")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise CannotListen(f"others may enter {folder}: chmod 700 {folder}")
