"""Replace a configuration file that belongs to somebody's programs, or leave it as it is.

Whatever is not plainly a text file of this user is refused: a file that cannot be read whole is
never written over.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024
KEPT = ".before-regcred"
"""What the name of the one copy ends with that is made before the first change."""

_OURS_ALONE = 0o600


class Unusable(Exception):
    """A file that is not touched; its text names it and says why."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"{path} {why}")


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was found."""

    path: Path
    """Where programs look for it."""

    target: Path
    """Where it is, links followed."""

    text: str | None
    """None when there is no file."""

    mode: int
    mark: tuple[int, ...]
    """What changes when somebody writes the file."""


def look(path: Path) -> Original:
    """Return a file as it is. Raise Unusable for everything that must not be replaced."""
    target = Path(os.path.realpath(path))
    try:
        file = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        if path.is_symlink():
            raise Unusable(path, f"is a link to {target}, which is not there") from None
        _refuse_others_folder(path, target)
        return Original(path, target, None, _OURS_ALONE, ())
    except OSError as error:
        raise Unusable(path, f"cannot be read: {error.strerror}") from None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise Unusable(path, "is not a file")
        if found.st_uid != os.geteuid():
            raise Unusable(path, "belongs to another user")
        if found.st_size > MAX_BYTES:
            raise Unusable(path, "is too long")
        with os.fdopen(file, "rb", closefd=False) as content:
            data = content.read()
    finally:
        os.close(file)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Unusable(path, "is not UTF-8 text") from None
    return Original(path, target, text, stat.S_IMODE(found.st_mode), _mark(found))


def replace(original: Original, text: str, *, keep: bool) -> None:
    """Write the new text in one step, its mode kept.

    `keep` makes a copy of what was there, if there is none of an earlier time. Raise Unusable when
    somebody changed the file since it was looked at, OSError.
    """
    folder = original.target.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = _written(folder, original.target.name, text, original.mode)
    try:
        if keep and original.text is not None:
            _keep(original, original.text)
        if _now(original.target) != original.mark:
            raise Unusable(original.path, "was changed meanwhile: nothing was written, repeat")
        temporary.replace(original.target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _settle(folder)


def delete(original: Original) -> None:
    """Delete a file that is whole our own. Raise OSError."""
    original.target.unlink()
    _settle(original.target.parent)


def _refuse_others_folder(path: Path, target: Path) -> None:
    """Keep root, under sudo with a user's HOME, from making a file that its user cannot read."""
    folder = next(one for one in target.parents if one.exists())
    if os.geteuid() == 0 and folder.stat().st_uid != 0:
        raise Unusable(path, f"would be root's, and {folder} is another user's: run this as them")


def _keep(original: Original, text: str) -> None:
    kept = original.target.with_name(original.target.name + KEPT)
    temporary = _written(kept.parent, kept.name, text, original.mode)
    try:
        # A link is made only where nothing is, so that no second run replaces the first copy.
        with suppress(FileExistsError):
            kept.hardlink_to(temporary)
    finally:
        temporary.unlink()


def _written(folder: Path, name: str, text: str, mode: int) -> Path:
    file, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
    try:
        with os.fdopen(file, "wb") as out:
            out.write(text.encode())
            out.flush()
            os.fchmod(file, mode)
            os.fsync(file)
    except BaseException:
        Path(temporary).unlink()
        raise
    return Path(temporary)


def _now(target: Path) -> tuple[int, ...]:
    try:
        return _mark(os.lstat(target))
    except FileNotFoundError:
        return ()


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _settle(folder: Path) -> None:
    """Make a rename outlast a power cut."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
