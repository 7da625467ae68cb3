"""Replace a configuration file that belongs to somebody's programs, or leave it as it is.

Whatever is not plainly a text file of this user is refused: a file that cannot be read whole is
never written over.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from regcred.clients.placing import settle, staged, write_whole
from regcred.clients.reading import NotPlain, read_plain

MAX_BYTES = 4 * 1024 * 1024
KEPT = ".before-regcred"
"""What the name of the one copy ends with."""

_OURS_ALONE = 0o600


class Keep(Enum):
    """Which copy of what was there is made before a file is replaced."""

    none = auto()
    first = auto()
    """The one of an earlier time stays, if there is one."""

    latest = auto()
    """The one of an earlier time gives way."""


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
        data, found = read_plain(target, MAX_BYTES, follow=False)
    except FileNotFoundError:
        if path.is_symlink():
            raise Unusable(path, f"is a link to {target}, which is not there") from None
        _refuse_others_folder(path, target)
        _refuse_others_way(path)
        return Original(path, target, None, _OURS_ALONE, ())
    except OSError as error:
        raise Unusable(path, f"cannot be read: {error.strerror}") from None
    except NotPlain as why:
        raise Unusable(path, str(why)) from None
    _refuse_others_way(path)
    if found.st_uid != os.geteuid():
        raise Unusable(path, "belongs to another user")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Unusable(path, "is not UTF-8 text") from None
    return Original(path, target, text, stat.S_IMODE(found.st_mode), _mark(found))


def replace(original: Original, text: str, *, keep: Keep) -> Path | None:
    """Write the new text in one step, its mode kept; return the copy if one was made now.

    Raise Unusable when somebody changed the file since it was looked at, OSError.
    """
    kept = None
    folder = original.target.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with staged(original.target, text.encode(), original.mode) as temporary:
        _refuse_changed(original)
        if keep is not Keep.none and original.text is not None:
            kept = _kept(original, original.text, keep)
        _refuse_changed(original)
        temporary.replace(original.target)
    return kept


def delete(original: Original) -> None:
    """Delete a file that is whole our own. Raise Unusable as `replace` does, OSError."""
    _refuse_changed(original)
    original.target.unlink()
    settle(original.target.parent)


def _refuse_others_folder(path: Path, target: Path) -> None:
    """Keep root, under sudo with a user's HOME, from making a file that its user cannot read."""
    folder = next(one for one in target.parents if one.exists())
    if os.geteuid() == 0 and folder.stat().st_uid != 0:
        raise Unusable(path, f"would be root's, and {folder} is another user's: run this as them")


def _refuse_others_way(path: Path) -> None:
    """Keep root, under sudo with a user's HOME, from editing what that user's link names."""
    if os.geteuid() != 0:
        return
    for one in (path, *path.parents):
        with suppress(FileNotFoundError):
            if one.lstat().st_uid != 0:
                raise Unusable(path, f"is reached by way of another user's {one}: run this as them")


def copy_of(original: Original) -> Path:
    """Return where a file's copy is, if one was ever made."""
    return original.target.with_name(original.target.name + KEPT)


def _kept(original: Original, text: str, keep: Keep) -> Path | None:
    copy = copy_of(original)
    try:
        write_whole(copy, text.encode(), original.mode, replace=keep is Keep.latest)
    except FileExistsError:
        return None  # no later run replaces the first copy
    return copy


def _refuse_changed(original: Original) -> None:
    if _now(original.target) != original.mark:
        raise Unusable(original.path, "was changed meanwhile: nothing was written, repeat")


def _now(target: Path) -> tuple[int, ...]:
    try:
        return _mark(os.lstat(target))
    except FileNotFoundError:
        return ()


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
