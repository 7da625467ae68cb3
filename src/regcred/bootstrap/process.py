"""What the process does to itself before it holds a secret."""

from __future__ import annotations

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4


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
