"""What a process did to its files, and when it answered: strace's log, read into events.

The one thing you would get wrong: calls that overlap. A write counts as made when it begins and a
sync as done when it returns, so a sync is never believed for what was written during it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CALLS = (
    "openat,close,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,ftruncate,"
    "unlink,unlinkat,rename,renameat,renameat2,linkat"
)
_STRING = 70_000
"""More than any one write of the service's."""


class Event(NamedTuple):
    """One thing that happened."""

    what: str
    """create, write, truncate, sync begins, sync, rename, link, unlink or answer."""

    path: str
    """The file; of a sync it may be a directory. "" for an answer."""

    data: bytes = b""
    """What was written; an answer's bytes."""

    offset: int = 0
    """Where it was written, or the size that a file was cut to."""

    to: str = ""
    """A rename's or link's new path."""


def command(log: Path) -> list[str]:
    """Return what runs a program so that `events` can read the log."""
    return [
        *("strace", "-f", "--seccomp-bpf", "-qqq", "-xx", "-s", str(_STRING)),
        *("-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log)),
    ]


_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_RESULT = re.compile(r"\) += (-?\d+)(?: .*)?$")
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_FAILED = -1


class _Call(NamedTuple):
    name: str
    rest: str
    result: int
    begun: bool
    """It begins here; a call that was interrupted in the log comes a second time, ended."""

    ended: bool


def _calls(log: Path) -> Iterator[_Call]:
    """Yield every call, an overlapping one twice: as it begins and as it ends."""
    open_calls: dict[str, str] = {}
    with log.open(encoding="ascii") as lines:
        for line in lines:
            text = line.rstrip("\n")
            if resumed := _RESUMED.match(text):
                pid, name, rest = resumed.groups()
                before = open_calls.pop(pid, "")
                result = _RESULT.search(rest)
                yield _Call(name, before + rest, int(result[1]) if result else _FAILED, False, True)
            elif made := _LINE.match(text):
                pid, name, rest = made.groups()
                if rest.endswith("<unfinished ...>"):
                    open_calls[pid] = rest.removesuffix("<unfinished ...>")
                    yield _Call(name, open_calls[pid], 0, True, False)
                    continue
                result = _RESULT.search(rest)
                yield _Call(name, rest, int(result[1]) if result else _FAILED, True, True)


def events(log: Path, below: Path) -> Iterator[Event]:
    """Yield what happened to files `below` that folder, and every answer that left."""
    return _Reader(str(below)).events(log)


class _Reader:
    """Follows descriptors: which file each is, and how far it was written."""

    def __init__(self, below: str) -> None:
        self._below = below
        self._paths: dict[int, str] = {}
        self._at: dict[int, int] = {}

    def events(self, log: Path) -> Iterator[Event]:
        """Yield the events in order."""
        for call in _calls(log):
            if call.result < 0:
                continue
            reader = getattr(self, f"_{call.name}", None)
            if reader is not None:
                yield from reader(call)

    def _ours(self, path: str) -> bool:
        return path.startswith(self._below)

    def _at_directory(self, rest: str, which: int = 0) -> str:
        """Return the path that an `…at` call names: its `which`th directory and string."""
        strings = _strings(rest)
        name = strings[which].decode()
        if name.startswith("/"):
            return name
        fields = re.findall(r"(?:^|, )(AT_FDCWD|\d+)(?=, \")", rest)
        directory = fields[which] if which < len(fields) else "AT_FDCWD"
        known = "" if directory == "AT_FDCWD" else self._paths.get(int(directory), "")
        return f"{known}/{name}"

    def _openat(self, call: _Call) -> Iterator[Event]:
        if not call.ended:
            return
        path = self._at_directory(call.rest)
        if not self._ours(path):
            return
        self._paths[call.result], self._at[call.result] = path, 0
        if "O_CREAT" in call.rest:
            yield Event("create", path)
        if "O_TRUNC" in call.rest:
            yield Event("truncate", path)

    def _close(self, call: _Call) -> Iterator[Event]:
        if call.ended:
            self._paths.pop(_first(call.rest), None)
        yield from ()

    def _pwrite64(self, call: _Call) -> Iterator[Event]:
        path = self._paths.get(_first(call.rest))
        if path is not None and call.begun:
            offset = re.search(r", (\d+)\s*(?:\)|$)", call.rest)
            if offset is None:
                raise ValueError(f"no offset: {call.rest[-80:]}")
            yield Event("write", path, _strings(call.rest)[0], int(offset[1]))

    def _write(self, call: _Call) -> Iterator[Event]:
        if not call.begun:
            return
        descriptor = _first(call.rest)
        path = self._paths.get(descriptor)
        if path is None:
            yield Event("answer", "", b"".join(_strings(call.rest)))
            return
        data = b"".join(_strings(call.rest))
        yield Event("write", path, data, self._at[descriptor])
        self._at[descriptor] += len(data)

    _writev = _sendto = _sendmsg = _write

    def _fdatasync(self, call: _Call) -> Iterator[Event]:
        path = self._paths.get(_first(call.rest))
        if path is not None:
            if call.begun:
                yield Event("sync begins", path)
            if call.ended:
                yield Event("sync", path)

    _fsync = _fdatasync

    def _ftruncate(self, call: _Call) -> Iterator[Event]:
        path = self._paths.get(_first(call.rest))
        if path is not None and call.begun:
            size = re.search(r", (\d+)", call.rest)
            yield Event("truncate", path, offset=int(size[1]) if size else 0)

    def _unlinkat(self, call: _Call) -> Iterator[Event]:
        path = self._at_directory(call.rest)
        if call.begun and self._ours(path):
            yield Event("unlink", path)

    _unlink = _unlinkat

    def _renameat(self, call: _Call) -> Iterator[Event]:
        path = self._at_directory(call.rest)
        if call.begun and self._ours(path):
            what = "link" if call.name == "linkat" else "rename"
            yield Event(what, path, to=self._at_directory(call.rest, 1))

    _rename = _renameat2 = _linkat = _renameat


def _first(rest: str) -> int:
    found = re.match(r"\d+", rest)
    return int(found[0]) if found else -1


def _strings(rest: str) -> list[bytes]:
    found = []
    for text, cut in _QUOTED.findall(rest):
        if cut:
            raise ValueError("strace cut a string short")
        found.append(bytes.fromhex(text.replace("\\x", "")))
    return found
