"""Put a backup where no store is. What is there is never replaced: restoring undoes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from regcred.adapters.storage.sqlite.place import DATABASE, ServingLock
from regcred.bootstrap.backups.checking import Report, check
from regcred.bootstrap.backups.making import sha256_of
from regcred.domain.errors import StartRefused
from regcred.settings import Settings

_BESIDE = ("-wal", "-shm", "-journal")


async def restore(settings: Settings, backup: Path) -> Report:
    """Check a backup and, where nothing is wrong, make it the store. Raise StartRefused.

    The report says what was wrong; then nothing was put in place.
    """
    if settings.database is not None:
        # A database is restored whole or not at all, and checked where it is.
        return await check(settings, backup)
    directory = settings.store_directory
    _refuse_taken(directory)
    report = await check(settings, backup)
    if not report.wrong:
        with ServingLock(directory):
            _refuse_taken(directory)
            _put(backup, directory, report.manifest.sha256)
    return report


def _refuse_taken(directory: Path) -> None:
    path = directory / DATABASE
    there = [path, *(path.with_name(path.name + end) for end in _BESIDE)]
    # The lock leaves an empty file, and a start that failed may too.
    if any(file.exists() and file.stat().st_size for file in there):
        raise StartRefused(
            f"{directory} holds a store, which is never replaced: move it away first, and keep it "
            "until the restored one has proven itself"
        )


def _put(backup: Path, directory: Path, sha256: str) -> None:
    path, partial = directory / DATABASE, directory / f".{DATABASE}.restored"
    try:
        partial.touch(mode=0o600)
        shutil.copyfile(backup, partial)
        if sha256_of(partial) != sha256:
            raise StartRefused(f"{backup} changed while it was restored: nothing was put in place")
        _sync(partial)
        partial.rename(path)
        _sync(directory)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
