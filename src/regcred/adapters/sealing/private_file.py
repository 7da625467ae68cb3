"""Small files that belong to this service's user alone: read strictly, written whole or not.

The one thing you would get wrong: checking a path and then opening it. Modes and owner are
checked on what was opened, and a symbolic link is never followed to the file.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regcred.domain.errors import StartRefused

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
_OTHERS = 0o077
_PATIENCE, _AGAIN = 5.0, 0.02
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW


def read_private(path: Path, *, what: str, limit: int) -> bytes:
    """Return the whole file of at most `limit` bytes.

    Raise FileNotFoundError when it (or its directory) is not there, and StartRefused when it is
    a symbolic link or no plain file, is too big, belongs to someone else, or when others may
    read it or its directory.
    """
    with _directory(path.parent) as directory, _opened(path, directory, what) as descriptor:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StartRefused(f"the {what} {path} is not a plain file: put the file itself there")
        _check_private(found, path, what, "600")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise StartRefused(
            f"the {what} {path} is larger than {limit} bytes, so it is not one that regcred wrote:"
            " restore it from your backup"
        )
    return data


def read_handed(path: Path, *, what: str, limit: int) -> bytes:
    """Return the whole of a secret's file that others may have put there, as Kubernetes does.

    A symbolic link is followed. Raise StartRefused when it is not there, too big or no plain file,
    or when others may read it. The rule is libpq's for a private key: mode 0600 or less, and root's
    may be read by a group of ours (0640).
    https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CLIENTCERT
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as failure:
        raise StartRefused(f"the {what} {path} cannot be read ({failure.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StartRefused(f"the {what} {path} is not a plain file: put the file itself there")
        if found.st_uid != 0:
            _check_private(found, path, what, "600")
        elif found.st_mode & _OTHERS & ~stat.S_IRGRP:
            raise _open_to_others(path, what, "640")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise StartRefused(f"the {what} {path} is larger than {limit} bytes: it holds no secret")
    return data


def create_private(path: Path, data: bytes, *, what: str, suffix: str) -> None:
    """Write a new file, whole and durable, making its directory if needed.

    `suffix` makes the temporary name unique. Raise StartRefused when the path is taken, whatever
    stands there.
    """
    make_directory(path.parent)
    with _directory(path.parent) as directory:
        temporary = f".{path.name}.{suffix}"
        _write(temporary, data, os.O_EXCL, directory)
        _put(temporary, path, directory, what)


@contextmanager
def written_private(path: Path, *, what: str, suffix: str) -> Iterator[Path]:
    """Yield an empty private file for another program to fill, then put it at `path`, durably.

    Makes the directory if needed. Where the block fails, nothing is left. Raise StartRefused when
    the path is taken, or others may read its directory.
    """
    make_directory(path.parent)
    with _directory(path.parent) as directory:
        if os.path.lexists(path):
            raise _taken(path, what)
        temporary = f".{path.name}.{suffix}"
        _write(temporary, b"", os.O_EXCL, directory)
        try:
            yield path.parent / temporary
            _sync(temporary, directory)
        except BaseException:
            os.unlink(temporary, dir_fd=directory)
            raise
        _put(temporary, path, directory, what)


def replace_private(path: Path, data: bytes) -> None:
    """Put `data` in the file's place, durably: a crash leaves the old or the new, never half."""
    with _directory(path.parent) as directory:
        # Of this process alone: several may share the folder.
        temporary = f".{path.name}.{os.getpid()}.new"
        _write(temporary, data, os.O_TRUNC, directory)
        os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the other processes that lock `path` out; the lock is a file of its own beside it.

    Blocks for a few seconds at most. Raise TimeoutError when somebody holds it for longer.
    """
    with _directory(path.parent) as directory:
        descriptor = os.open(f".{path.name}.lock", _WRITE, FILE_MODE, dir_fd=directory)
        try:
            _lock(descriptor, path)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError(f"another process keeps {path} locked") from None
            time.sleep(_AGAIN)
        else:
            return


def _put(temporary: str, path: Path, directory: int, what: str) -> None:
    try:
        # A link, unlike a rename, never replaces what is there.
        os.link(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
    except FileExistsError:
        raise _taken(path, what) from None
    finally:
        os.unlink(temporary, dir_fd=directory)
        os.fsync(directory)


def _taken(path: Path, what: str) -> StartRefused:
    return StartRefused(f"there is a {what} at {path} already: it is never overwritten")


def _sync(name: str, directory: int) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=directory)
    try:
        os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path, directory: int, what: str) -> Iterator[int]:
    try:
        # O_NONBLOCK keeps a named pipe from holding the start for ever.
        descriptor = os.open(path.name, _READ, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as failure:
        raise StartRefused(
            f"the {what} {path} cannot be opened ({failure.strerror}): it must be a plain file"
            " (no symbolic link) that belongs to the user who runs the service"
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(name: str, data: bytes, flag: int, directory: int) -> None:
    """Write a temporary file, durably; where that fails, it is gone."""
    descriptor = os.open(name, _WRITE | flag, FILE_MODE, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # The umask may have taken bits away, and a left-over file may have had others.
            os.fchmod(descriptor, FILE_MODE)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise


def make_directory(path: Path) -> None:
    """Make a private directory where none is; one that is there is left as it is."""
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True)
    except FileExistsError:
        return
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except NotADirectoryError:
        raise StartRefused(f"{path} is not a directory: move what is there away") from None
    except PermissionError:
        raise StartRefused(f"the directory {path} may not be read: give it to this user") from None
    try:
        _check_private(os.fstat(descriptor), path, "directory", "700")
        yield descriptor
    finally:
        os.close(descriptor)


def _check_private(found: os.stat_result, path: Path, what: str, mode: str) -> None:
    if found.st_uid != os.geteuid():
        raise StartRefused(
            f"the {what} {path} belongs to another user: run 'chown {os.geteuid()} {path}'"
        )
    if found.st_mode & _OTHERS:
        raise _open_to_others(path, what, mode)


def _open_to_others(path: Path, what: str, mode: str) -> StartRefused:
    return StartRefused(
        f"others may read or write the {what} {path}: run 'chmod {mode} {path}', and think of"
        " who may have read it"
    )
