"""A disk that keeps only what was synced, and of the rest whatever a power cut happens to leave.

Bytes written and not yet synced may be there or not, each write by itself, in any order, and torn
at sectors of 512 bytes. Names (created, renamed, unlinked) are kept in order, as a journalling file
system keeps them: of a directory's unsynced changes a first part is there. A disk that lies about
a sync, and a file system that breaks its own promises, are not modelled.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from tools.campaign.tracing import Event

SECTOR = 512
_MODES = ("nothing", "everything", "first part", "each by chance", "torn", "out of order")


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[Event] = field(default_factory=list)
    syncing: int = 0
    """How many of the unsynced ones a sync that is under way will make durable."""

    def image(self, chance: random.Random, mode: str) -> bytes:
        """Return what a power cut may leave of it."""
        content = bytearray(self.durable)
        for event in _kept(self.unsynced, chance, mode):
            _apply(content, event)
        return bytes(content)


@dataclass
class _Directory:
    durable: dict[str, _File] = field(default_factory=dict)
    now: dict[str, _File] = field(default_factory=dict)
    unsynced: list[tuple[str, _File | None]] = field(default_factory=list)
    """(name, what it leads to from then on), in order."""

    def image(self, chance: random.Random) -> dict[str, _File]:
        """Return the names that a power cut may leave."""
        names = dict(self.durable)
        for name, file in self.unsynced[: chance.randint(0, len(self.unsynced))]:
            _point(names, name, file)
        return names


class Disk:
    """Takes events in order; `image` writes what would be left if the power went now."""

    def __init__(self, before: Path, root: Path) -> None:
        """Begin with the files that were below `root`, all of them durable: a copy is `before`."""
        self._root = root
        self._directories: dict[str, _Directory] = {}
        for path in before.rglob("*"):
            if path.is_file():
                directory = self._directory(str(root / path.parent.relative_to(before)))
                file = _File(bytearray(path.read_bytes()))
                directory.durable[path.name] = directory.now[path.name] = file

    def take(self, event: Event) -> None:
        """Let something happen."""
        if event.path in self._directories or event.path == str(self._root):
            if event.what == "sync":
                synced = self._directory(event.path)
                synced.durable, synced.unsynced = dict(synced.now), []
        elif event.what in {"create", "unlink", "rename", "link"}:
            self._take_names(event)
        else:
            self._take_bytes(event)

    def _take_names(self, event: Event) -> None:
        directory, name = self._place(event.path)
        file = directory.now.get(name)
        match event.what:
            case "create" if file is None:
                self._name(directory, name, _File())
            case "unlink":
                self._name(directory, name, None)
            case "rename" | "link" if file is not None:
                other, new = self._place(event.to)
                self._name(other, new, file)
                if event.what == "rename":
                    self._name(directory, name, None)
            case _:
                pass

    def _take_bytes(self, event: Event) -> None:
        directory, name = self._place(event.path)
        file = directory.now.get(name)
        if file is None:
            return
        match event.what:
            case "write" | "truncate":
                file.unsynced.append(event)
            case "sync begins":
                file.syncing = len(file.unsynced)
            case _:
                for one in file.unsynced[: file.syncing]:
                    _apply(file.durable, one)
                del file.unsynced[: file.syncing]
                file.syncing = 0

    def image(self, folder: Path, chance: random.Random) -> str:
        """Write one possible outcome of a power cut into `folder`; return how it was chosen."""
        mode = chance.choice(_MODES)
        for path, directory in self._directories.items():
            into = folder / PurePath(path).relative_to(self._root)
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, file in directory.image(chance).items():
                # SQLite makes its shared memory anew; the lock's file holds nothing.
                if not name.endswith(("-shm", ".lock")):
                    (into / name).write_bytes(file.image(chance, mode))
                    (into / name).chmod(0o600)
        return mode

    def _place(self, path: str) -> tuple[_Directory, str]:
        parent, _, name = path.rpartition("/")
        return self._directory(parent), name

    def _directory(self, path: str) -> _Directory:
        return self._directories.setdefault(path, _Directory())

    @staticmethod
    def _name(directory: _Directory, name: str, file: _File | None) -> None:
        _point(directory.now, name, file)
        directory.unsynced.append((name, file))


def _point(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def _apply(content: bytearray, event: Event) -> None:
    if event.what == "truncate":
        del content[event.offset :]
        content.extend(bytes(max(0, event.offset - len(content))))
        return
    end = event.offset + len(event.data)
    content.extend(bytes(max(0, end - len(content))))
    content[event.offset : end] = event.data


def _kept(events: Sequence[Event], chance: random.Random, mode: str) -> list[Event]:
    if mode == "nothing":
        return []
    if mode == "everything":
        return list(events)
    if mode == "first part":
        return list(events[: chance.randint(0, len(events))])
    if mode == "each by chance":
        return [event for event in events if chance.random() < 0.5]  # noqa: PLR2004  a coin
    torn = [part for event in events for part in _sectors(event) if chance.random() < 0.5]  # noqa: PLR2004  a coin
    if mode == "out of order":
        chance.shuffle(torn)
    return torn


def _sectors(event: Event) -> list[Event]:
    """Return an event's parts, cut where the disk's sectors meet."""
    if event.what == "truncate":
        return [event]
    parts = []
    at, end = event.offset, event.offset + len(event.data)
    while at < end:
        to = min(end, (at // SECTOR + 1) * SECTOR)
        data = event.data[at - event.offset : to - event.offset]
        parts.append(event._replace(data=data, offset=at))
        at = to
    return parts
