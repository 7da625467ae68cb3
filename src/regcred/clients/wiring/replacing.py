"""Replace a configuration file that belongs to somebody's programs, or leave it as it is.

Whatever is not plainly a text file of this user is refused: a file that cannot be read whole is
never written over.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from regcred.clients.placing import settle, staged, write_whole
from regcred.clients.reading import NotPlain, read_plain

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
        data, found = read_plain(target, MAX_BYTES, follow=False)
    except FileNotFoundError:
        if path.is_symlink():
            raise Unusable(path, f"is a link to {target}, which is not there") from None
        _refuse_others_folder(path, target)
        return Original(path, target, None, _OURS_ALONE, ())
    except OSError as error:
        raise Unusable(path, f"cannot be read: {error.strerror}") from None
    except NotPlain as why:
        raise Unusable(path, str(why)) from None
    if found.st_uid != os.geteuid():
        raise Unusable(path, "belongs to another user")
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
    with staged(original.target, text.encode(), original.mode) as temporary:
        if keep and original.text is not None:
            _keep(original, original.text)
        if _now(original.target) != original.mark:
            raise Unusable(original.path, "was changed meanwhile: nothing was written, repeat")
        temporary.replace(original.target)


def delete(original: Original) -> None:
    """Delete a file that is whole our own. Raise OSError."""
    original.target.unlink()
    settle(original.target.parent)


def _refuse_others_folder(path: Path, target: Path) -> None:
    """Keep root, under sudo with a user's HOME, from making a file that its user cannot read."""
    folder = next(one for one in target.parents if one.exists())
    if os.geteuid() == 0 and folder.stat().st_uid != 0:
        raise Unusable(path, f"would be root's, and {folder} is another user's: run this as them")


def _keep(original: Original, text: str) -> None:
    kept = original.target.with_name(original.target.name + KEPT)
    # No second run replaces the first copy.
    with suppress(FileExistsError):
        write_whole(kept, text.encode(), original.mode, replace=False)


def _now(target: Path) -> tuple[int, ...]:
    try:
        return _mark(os.lstat(target))
    except FileNotFoundError:
        return ()


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
