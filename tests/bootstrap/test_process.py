"""What a process does to itself, and what its log lets through; each in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

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

LOGGING = """
import asyncio, logging, sys
import structlog
from regcred.bootstrap import process
process.log_to_stderr(sys.argv[1])
log = structlog.get_logger("regcred.test")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def python(home: Path, program: str, *arguments: str) -> Finished:
    """Run a program of a few lines."""
    done = run([sys.executable, "-c", program, *arguments], env=environment(home))
    assert done.code == 0, done.text
    return done


def logged(home: Path, program: str, level: str = "info") -> list[dict[str, Any]]:
    """Return what lines of a program log, each without its time."""
    done = python(home, LOGGING + program, level)
    assert "Traceback" not in done.text
    lines = [json.loads(line) for line in done.err.splitlines()]
    for line in lines:
        if "timestamp" in line:
            assert line.pop("timestamp").endswith("Z")
    return lines


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


def test_only_known_fields_of_plain_values_are_written(home: Path) -> None:
    [line] = logged(
        home,
        """
log.info("event", request_id="r-1", status=200, duration_ms=0.5, error=None, upto=True,
         password="Hunter2", key="Hunter2", headers={"a": "Hunter2"}, url="Hunter2",
         reason=["Hunter2"], route={"x": "Hunter2"}, where=ValueError("Hunter2"), count=b"Hunter2")
""",
    )

    assert line == {
        "event": "event", "level": "info", "request_id": "r-1", "status": 200,
        "duration_ms": 0.5, "error": None, "upto": True,
    }  # fmt: skip


def test_an_exception_of_a_library_is_its_kind_and_place_and_never_its_text(home: Path) -> None:
    [line] = logged(
        home,
        """
def inner(): raise ValueError("Hunter2")
try:
    inner()
except ValueError:
    logging.getLogger("library").exception("it %s", "failed")
""",
    )

    assert re.fullmatch(r"<string>:\d+ inner", line.pop("where"))
    assert line == {
        "event": "it failed", "level": "error", "logger": "library", "error": "ValueError",
    }  # fmt: skip


def test_a_task_that_nobody_waited_for_does_not_tell_its_exceptions_text(home: Path) -> None:
    [line] = logged(
        home,
        """
import gc
async def failing(): raise ValueError("Hunter2")
async def main():
    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
asyncio.run(main())
""",
    )

    assert line["event"] == "Task exception was never retrieved"
    assert (line["logger"], line["error"]) == ("asyncio", "ValueError")
    assert "Hunter2" not in str(line)


def test_no_exception_is_nothing_more_than_the_message(home: Path) -> None:
    lines = logged(
        home,
        """
logging.getLogger("library").error("no exception here", exc_info=True)
logging.getLogger("library").warning("plain")
""",
    )

    assert lines == [
        {"event": "no exception here", "level": "error", "logger": "library"},
        {"event": "plain", "level": "warning", "logger": "library"},
    ]


def test_the_level_holds_for_us_and_for_libraries(home: Path) -> None:
    program = """
log.debug("ours"); log.warning("ours")
logging.getLogger("library").debug("theirs"); logging.getLogger("library").warning("theirs")
"""

    assert [line["level"] for line in logged(home, program, "error")] == []
    assert [line["level"] for line in logged(home, program, "warning")] == ["warning"] * 2
    assert [line["level"] for line in logged(home, program, "debug")] == ["debug", "warning"] * 2


@pytest.mark.parametrize("library", ["httpcore2", "httpx2", "alembic", "sqlalchemy", "asyncio"])
def test_libraries_that_log_urls_and_statements_are_quiet_at_any_level(
    home: Path, library: str
) -> None:
    program = f"logging.getLogger('{library}.deep').info('GET https://u:Hunter2@r.example')"

    assert logged(home, program, "debug") == []
