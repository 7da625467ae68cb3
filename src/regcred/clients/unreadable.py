"""Close this process's memory: it holds logins for as long as it runs."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def close_memory() -> None:
    """Leave no core behind, and no way in by /proc or ptrace for this user's other processes.

    Raise OSError. Where the system is not Linux only cores are prevented.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
