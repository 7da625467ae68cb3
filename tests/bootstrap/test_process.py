"""What a process does to itself; each in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tools.programs import Finished, environment, run

HARDENED = """
import ctypes, os, resource, sys
from pathlib import Path
from regcred.bootstrap import process
process.harden()
made = Path(sys.argv[1]) / "made"
made.touch()
made.with_name("folder").mkdir()
print([
    oct(made.stat().st_mode & 0o777), oct(made.with_name("folder").stat().st_mode & 0o777),
    resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
])
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def python(home: Path, program: str, *arguments: str) -> Finished:
    """Run a program of a few lines."""
    done = run([sys.executable, "-c", program, *arguments], env=environment(home), followed=True)
    assert done.code == 0, done.text
    return done


def test_a_hardened_process_makes_private_files_and_leaves_no_core(home: Path) -> None:
    done = python(home, HARDENED, str(home))

    assert done.out.strip() == "['0o600', '0o700', (0, 0), 0]"


def test_a_system_that_will_not_harden_stops_the_start(home: Path) -> None:
    refusing = """
import ctypes
from regcred.bootstrap import process
class Refusing:
    def __init__(self, *_, **__): pass
    def prctl(self, *_): return -1
ctypes.CDLL = Refusing
try:
    process.harden()
except OSError as error:
    print("refused", error.strerror)
"""
    assert python(home, refusing).out == "refused prctl(PR_SET_DUMPABLE)\n"
