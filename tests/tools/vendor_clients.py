"""The vendors' own clients: each in a virtual environment of its own, spoken to in lines of JSON.

Their dependencies clash with one another and with ours, so nothing here is imported: a script
inside the environment makes the calls and tells what came of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.programs import Finished

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = _ROOT / "build" / "clients"
_SCRIPTS = _ROOT / "tests" / "system" / "vendors" / "scripts"
_UNREACHABLE = re.compile(r"connection broken by|No matching distribution found")
_INSTALL_SECONDS = 300


class ClientMissing(Exception):
    """A vendor's client is not installed and cannot be: the package index is out of reach."""


@dataclass(frozen=True, slots=True)
class VendorClient:
    """An environment that holds one client and what it needs."""

    folder: Path

    def script(self, name: str, *arguments: str) -> list[str]:
        """Return the command that runs one of our scripts beside the client."""
        return [*self._python(), str(_SCRIPTS / name), *arguments]

    def program(self, name: str, *arguments: str) -> list[str]:
        """Return the command that runs the client's own program."""
        # Not by its first line: that names the folder in which the environment was made.
        return [*self._python(), str(self.folder / "bin" / name), *arguments]

    def _python(self) -> list[str]:
        # Isolated: neither the tester's modules nor this tree's are found.
        return [str(self.folder / "bin" / "python"), "-I"]


def vendor_client(name: str) -> VendorClient:
    """Return the client that `requirements/NAME-client.txt` locks, installed if it is not yet.

    Several processes may ask at once. Raise ClientMissing, and RuntimeError if what the index
    offers is not what was locked.
    """
    requirements = _ROOT / "requirements" / f"{name}-client.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    folder = _KEPT / f"{name}-{digest[:16]}"
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A link into an interpreter that is gone does not exist either.
        if not (folder / "bin" / "python").exists():
            _install(folder, requirements)
    return VendorClient(folder)


def _install(folder: Path, requirements: Path) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    for left in (partial, folder):
        shutil.rmtree(left, ignore_errors=True)
    try:
        _fill(partial, requirements)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(folder: Path, requirements: Path) -> None:
    made = _run(sys.executable, "-m", "venv", str(folder))
    if made.code != 0:
        raise RuntimeError(f"venv: {made.text}")
    pip = (str(folder / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check")
    done = _run(*pip, "install", "-qq", "--require-hashes", "-r", str(requirements))
    if done.code == 0:
        return
    if _UNREACHABLE.search(done.text):
        raise ClientMissing(f"{requirements.name} cannot be had: no package index in reach")
    raise RuntimeError(f"{requirements.name}: {done.text}")


def _run(*argv: str) -> Finished:
    """Run with the tester's own environment: it says where the package index is."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_INSTALL_SECONDS,
        check=False,
        text=True,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


class CallFailed(Exception):
    """A client raised where the test expected an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one call."""

    value: Any
    error: dict[str, Any] | None
    """The exception's class and attributes; None if the call returned."""

    sent: int
    """How many requests left the client for it, retries included."""


class Conversation:
    """A script of ours that runs in a client's environment until it is closed."""

    def __init__(self, argv: list[str], *, env: Mapping[str, str], home: Path) -> None:
        """Start it; what it complains of goes into a file in `home`."""
        self._complaints = home / "complaints"
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                argv,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )

    def ask(self, question: Mapping[str, object]) -> Reply:
        """Have one call made. Raise RuntimeError if the script ended instead."""
        assert self._process.stdin
        assert self._process.stdout
        # What it complained of says more than a broken pipe.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self._complaints.read_text(errors="replace"))
        return Reply(**json.loads(line))

    def close(self) -> None:
        """End it: it reads until there is nothing more to read."""
        try:
            self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise


@dataclass(frozen=True, slots=True)
class Speaker:
    """A vendor's client object as tests use it, made anew for each call with `options`."""

    conversation: Conversation
    options: Mapping[str, object] = field(repr=False)
    """A key is among them."""

    def using(self, **changed: object) -> Speaker:
        """Return the same client made with other options."""
        return Speaker(self.conversation, {**self.options, **changed})

    def reply(self, call: str, **arguments: object) -> Reply:
        """Make a call and return whatever came of it."""
        return self.conversation.ask(
            {"options": self.options, "call": call, "arguments": arguments}
        )

    def __call__(self, call: str, **arguments: object) -> Any:
        """Make a call and return its value. Raise CallFailed."""
        reply = self.reply(call, **arguments)
        if reply.error is not None:
            raise CallFailed(f"{call}: {reply.error}")
        return reply.value

    def refused(self, call: str, **arguments: object) -> dict[str, Any]:
        """Make a call that must raise, and return the exception's class and attributes."""
        reply = self.reply(call, **arguments)
        assert reply.error is not None, f"{call} returned {reply.value}"
        return reply.error
