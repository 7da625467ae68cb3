"""A process that has imported regcred, and forks into `regcred serve` as often as it is told.

Only the imports are spared, most of a start's time: what comes after them, from reading the
settings on, is the program's own in a process of its own. Reads one JSON object a line from stdin
({"argv", "env", "out", "err"}), answers with the process id, and ends at the end of stdin; its
servers end with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

import httptools
import uvloop

from regcred.__main__ import main
from regcred.bootstrap import operator

_IMPORTED = (httptools, uvloop, operator)
_PR_SET_PDEATHSIG = 1


def _become(spec: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, flags, path in (
        (0, os.O_RDONLY, os.devnull),
        (1, os.O_WRONLY | os.O_CREAT | os.O_APPEND, spec["out"]),
        (2, os.O_WRONLY | os.O_CREAT | os.O_APPEND, spec["err"]),
    ):
        descriptor = os.open(path, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(spec["env"])
    sys.argv = spec["argv"]
    main()


def serve() -> None:
    """Fork for every line of stdin."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _become(json.loads(line))
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else 1)
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    serve()
