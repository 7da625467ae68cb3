"""A disk under SQLite whose k-th write, cut or sync fails: SQLite's own file methods, wrapped.

The one thing you would get wrong: which SQLite. Python's module and ctypes must have loaded the
same shared library, or nothing here is in the way of anything.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FULL, _IO_WRITE, _IO_SYNC, _IO_TRUNCATE = 13, 778, 1034, 1546
"""SQLITE_FULL, and SQLITE_IOERR_… of sqlite3.h."""

_OK = 0
_VFS_SIZE = 168
"""A sqlite3_vfs of version 3: three integers, padding, and 19 pointers."""

_METHODS_SIZE = 152
"""A sqlite3_io_methods of version 3: an integer, padding, and 18 pointers."""

_POINTER = ctypes.sizeof(ctypes.c_void_p)
_AT_NAME, _AT_OPEN = 24, 40
_AT_WRITE, _AT_TRUNCATE, _AT_SYNC = (8 + n * _POINTER for n in (2, 3, 4))

_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
_Write = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class FaultyDisk:
    """Fails when told to; otherwise it is the disk as it is."""

    def __init__(self) -> None:
        self.fired = 0
        """How many calls were made to fail."""

        self._left = 0
        self._full = False
        self._kept: list[Any] = []
        self._methods: dict[int, int] = {}

    def arm(self, call: int, *, full: bool) -> None:
        """Let the `call`th write, cut or sync from now fail.

        `full`: for want of space, as does every later one until `disarm`; else with an I/O error,
        once, and a write only after half of it was written.
        """
        self.fired, self._left, self._full = 0, call, full

    def disarm(self) -> None:
        """Let everything pass."""
        self._left = 0

    def _fails(self) -> bool:
        if self._left == 0:
            return False
        if self._left > 1:
            self._left -= 1
            return False
        self.fired += 1
        if not self._full:
            self._left = 0
        return True

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have every connection that is opened from now on use it."""
        library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        library.sqlite3_vfs_find.restype = ctypes.c_void_p
        usual = library.sqlite3_vfs_find(None)
        own = self._copied(usual, _VFS_SIZE)
        name = ctypes.c_char_p(b"faulty")
        ctypes.memmove(own + _AT_NAME, ctypes.byref(name), _POINTER)
        opened = _Open(_pointer_at(usual + _AT_OPEN))

        def open_file(_vfs: int, path: bytes, file: int, flags: int, out: int) -> int:
            result = int(opened(usual, path, file, flags, out))
            if result == _OK:
                _put(file, self._wrapped(_pointer_at(file)))
            return result

        self._place(own + _AT_OPEN, _Open(open_file))
        self._kept.append(name)
        library.sqlite3_vfs_register(ctypes.c_void_p(own), 1)
        try:
            yield
        finally:
            library.sqlite3_vfs_register(ctypes.c_void_p(usual), 1)
            library.sqlite3_vfs_unregister(ctypes.c_void_p(own))

    def _wrapped(self, methods: int) -> int:
        """Return methods of a file that are those, but for what may fail."""
        if methods in self._methods:
            return self._methods[methods]
        own = self._copied(methods, _METHODS_SIZE)
        write = _Write(_pointer_at(methods + _AT_WRITE))
        truncate = _Truncate(_pointer_at(methods + _AT_TRUNCATE))
        sync = _Sync(_pointer_at(methods + _AT_SYNC))

        def write_some(file: int, data: int, amount: int, offset: int) -> int:
            if not self._fails():
                return int(write(file, data, amount, offset))
            if self._full:
                return _FULL
            write(file, data, amount // 2, offset)
            return _IO_WRITE

        def cut(file: int, size: int) -> int:
            return _IO_TRUNCATE if self._fails() else int(truncate(file, size))

        def sync_all(file: int, flags: int) -> int:
            return _IO_SYNC if self._fails() else int(sync(file, flags))

        self._place(own + _AT_WRITE, _Write(write_some))
        self._place(own + _AT_TRUNCATE, _Truncate(cut))
        self._place(own + _AT_SYNC, _Sync(sync_all))
        self._methods[methods] = own
        return own

    def _copied(self, address: int, size: int) -> int:
        memory = ctypes.create_string_buffer(ctypes.string_at(address, size), size)
        self._kept.append(memory)  # SQLite keeps the address and not the object
        return ctypes.addressof(memory)

    def _place(self, address: int, function: Any) -> None:
        self._kept.append(function)
        _put(address, ctypes.cast(function, ctypes.c_void_p).value or 0)


def _pointer_at(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


def _put(address: int, value: int) -> None:
    ctypes.c_void_p.from_address(address).value = value
