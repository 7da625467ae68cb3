"""What the process does to itself before it holds a secret."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from types import FrameType
from typing import NoReturn

_PR_SET_DUMPABLE = 4
_ENDS = (signal.SIGTERM, signal.SIGHUP)


def unwind_on_sigterm() -> None:
    """Have SIGTERM and SIGHUP end the program as an exception does: temporary files go along.

    For commands alone: a server stops in its own way.
    """
    for number in _ENDS:
        # What was started to outlive its terminal (nohup) goes on ignoring it.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _unwind)


def _unwind(number: int, _frame: FrameType | None) -> NoReturn:
    # Once: another one must not stop the tidying.
    for end in _ENDS:
        signal.signal(end, signal.SIG_IGN)
    raise SystemExit(128 + number)


def harden() -> None:
    """Make new files private, cores impossible, and /proc closed to others of the same user.

    Security facts, A22: with the process not dumpable, its memory and environment cannot be read
    through /proc by another process of the same user.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
