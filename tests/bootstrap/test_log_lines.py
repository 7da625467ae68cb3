"""What the log lets through; each log in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.tools.programs import environment, run

LOGGING = """
import asyncio, logging, sys
import structlog
from regcred.bootstrap import log_lines
log_lines.log_to_stderr(sys.argv[1])
log = structlog.get_logger("regcred.test")
"""


def logged(folder: Path, program: str, level: str = "info") -> list[dict[str, Any]]:
    """Return what lines of a program log, each without its time."""
    done = run(
        [sys.executable, "-c", LOGGING + program, level], env=environment(folder), followed=True
    )
    assert "Traceback" not in done.text
    lines = [json.loads(line) for line in done.err.splitlines()]
    for line in lines:
        assert line.pop("timestamp").endswith("Z")
    return lines


def test_only_an_events_own_fields_of_plain_values_are_written(tmp_path: Path) -> None:
    lines = logged(
        tmp_path,
        """
from regcred.domain.secret import Secret
log.info("request", request_id="r-1", status=200, duration_ms=0.5, reason=None, password="Hunter2",
         key="Hunter2", headers={"a": "Hunter2"}, url="Hunter2", error="Hunter2",
         route=Secret("Hunter2"), method=b"Hunter2")
log.info("failed", request_id=["Hunter2"], error=ValueError("Hunter2"), reason="x" * 1000)
log.info(f"Hunter2 {1}", reason="Hunter2")
log.info("stopped", count=log_lines.ALLOW_LIST.dropped)
log.error("the audit was edited", count=log_lines.ALLOW_LIST.dropped, reason="")
log.error("the audit was edited", count=2**70, reason="\\ud800")
""",
    )

    assert lines == [
        {
            "event": "request", "level": "info", "request_id": "r-1", "status": 200,
            "duration_ms": 0.5,
        },
        {"event": "failed", "level": "info", "reason": "x" * 299 + "…"},
        {"event": "an event that is not in the table", "level": "info"},
        {"event": "stopped", "level": "info"},
        {"event": "the audit was edited", "level": "error", "count": 12, "reason": ""},
        {"event": "the audit was edited", "level": "error", "count": 2**70, "reason": "\ud800"},
    ]  # fmt: skip


def test_what_a_library_says_is_written_without_its_values(tmp_path: Path) -> None:
    """An exception is its kind and place, and never its text."""
    lines = logged(
        tmp_path,
        """
import warnings
def inner(): raise ValueError("Hunter2")
try:
    inner()
except ValueError:
    logging.getLogger("uvicorn.error").exception("it failed: %s", "Hunter2")
logging.getLogger("library").error("no exception here", exc_info=True)
logging.getLogger("library").warning("two\\nHunter2")
warnings.warn("Hunter2")
""",
    )

    failed, *others = lines
    assert re.fullmatch(r"<string>:\d+ inner", failed.pop("where"))
    assert failed == {
        "event": "library", "level": "error", "logger": "uvicorn.error",
        "message": "it failed: %s", "error": "ValueError",
    }  # fmt: skip
    assert [(line["logger"], line.get("message"), line.get("error")) for line in others] == [
        ("library", "no exception here", None),
        ("library", "two", None),
        ("warnings", None, "UserWarning"),
    ]
    assert "Hunter2" not in str(lines)


def test_a_task_that_nobody_waited_for_does_not_tell_its_exceptions_text(tmp_path: Path) -> None:
    [line] = logged(
        tmp_path,
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

    assert line["message"] == "Task exception was never retrieved"
    assert (line["logger"], line["error"]) == ("asyncio", "ValueError")
    assert "Hunter2" not in str(line)


def test_what_nobody_caught_is_told_by_kind_and_place(tmp_path: Path) -> None:
    lines = logged(
        tmp_path,
        """
import threading
class Failing:
    def __del__(self): raise ZeroDivisionError("Hunter2")
def fail(): raise ValueError("Hunter2")
thread = threading.Thread(target=fail); thread.start(); thread.join()
Failing()
raise KeyError("Hunter2")
""",
    )

    assert [(line["event"], line["error"]) for line in lines] == [
        ("crashed", "ValueError"),
        ("crashed", "ZeroDivisionError"),
        ("crashed", "KeyError"),
    ]
    assert "Hunter2" not in str(lines)


def test_the_level_holds_for_us_and_for_libraries(tmp_path: Path) -> None:
    """Those that log URLs, headers and statements say nothing below a warning at any level."""
    program = """
log.debug("stopped"); log.warning("stopped")
logging.getLogger("library").debug("theirs"); logging.getLogger("library").warning("theirs")
for name in ("alembic", "asyncio", "httpcore2", "httpx2", "opentelemetry", "sqlalchemy", "uvicorn"):
    logging.getLogger(name + ".deep").info("GET https://u:Hunter2@r.example")
"""

    assert [line["level"] for line in logged(tmp_path, program, "error")] == []
    assert [line["level"] for line in logged(tmp_path, program, "warning")] == ["warning"] * 2
    assert [line["level"] for line in logged(tmp_path, program, "debug")] == [
        "debug",
        "warning",
    ] * 2


def test_lines_of_one_turn_are_one_write_and_keep_their_order(tmp_path: Path) -> None:
    done = run(
        [
            sys.executable,
            "-c",
            """
import asyncio, io
from regcred.bootstrap.log_stream import LogStream
class Written(io.StringIO):
    def write(self, text):
        print(text.split())
stream = LogStream(Written(), str)
async def turns():
    stream.info("a"), stream.info("b")
    await asyncio.sleep(0)
    stream.info("c"), stream.error("d"), stream.info("e")
stream.info("first")
asyncio.run(turns())
""",
        ],
        env=environment(tmp_path),
    )

    assert done.out.splitlines() == ["['first']", "['a', 'b']", "['c', 'd']", "['e']"]
