"""Run one target in this process until it breaks or its executions are done; `fuzz.py` calls it.

one.py PARENT TARGET PLANT CORPUS [libFuzzer's options]: PARENT is the process to end with, PLANT
is "", "defect" or "hang", and CORPUS a folder that gets the target's seeds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["targets", "regcred", "www_authenticate", "docker_image"]):
    import targets

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone, however that came about.

    The fuzzer handles signals itself, and a target that hangs looks at nothing.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the parent is gone already")


def main() -> None:
    parent, name, plant, corpus, *options = sys.argv[1:]
    end_with(int(parent))
    for number, seed in enumerate(targets.SEEDS[name]):
        Path(corpus, str(number)).write_bytes(seed)
    target = targets.TARGETS[name]
    planted = targets.PLANTS[plant]

    def once(data: bytes) -> None:
        try:
            target(data)
            planted(data)
        except BaseException:
            # On its way out the interpreter gives up the fuzzer's handler of this timer, which
            # would then kill the process before it has written down what it found.
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise

    atheris.Setup([sys.argv[0], corpus, *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
