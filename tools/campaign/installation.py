"""One installation of the real service: its processes, and a look at its tables beside them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.tools.programs import Daemon
from tests.tools.service import Service
from tools.campaign.client import wait_ready

_HERE = Path(__file__).parent


class Forked:
    """A server that a `Spawner` forked. Ended by its own process id."""

    def __init__(self, pid: int, err: Path) -> None:
        self.pid = pid
        self._err = err

    @property
    def text(self) -> str:
        """Return what it and those before it wrote to standard error."""
        return self._err.read_text(errors="replace")

    def kill(self) -> None:
        """End it at once, as a crash would, and return when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while Path(f"/proc/{self.pid}").exists():
            time.sleep(0.001)

    def stop(self) -> None:
        """End it: nothing is asked of its end."""
        self.kill()


class Spawner:
    """Starts servers without the time that imports take (spawner.py)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "spawner.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, service: Service, *more: str) -> Forked:
        """Start serving and return at once."""
        assert self._process.stdin is not None  # noqa: S101  pipes were asked for
        assert self._process.stdout is not None  # noqa: S101  likewise
        service.logs.mkdir(exist_ok=True)
        err = service.logs / "forked.err"
        spec = {
            "argv": list(service.command(*more)),
            "env": dict(service.env),
            "out": str(service.logs / "forked.out"),
            "err": str(err),
        }
        self._process.stdin.write(json.dumps(spec) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()), err)

    def close(self) -> None:
        """End it, and with it every server that it still has."""
        self._process.kill()
        self._process.communicate()


class Installation:
    """A data folder with an operator's key, served on SQLite by one process at a time."""

    more: Sequence[str] = ()
    """What is said beyond where it serves."""

    def __init__(self, folder: Path, **env: str) -> None:
        """Set it up. Raise RuntimeError."""
        self.service = Service(folder, log_level="error")
        self.service.env |= env
        self.service.init()
        self.store = self.service.data / "store"
        self.keys = self.service.data / "keys"

    @property
    def port(self) -> int:
        """Return where it serves."""
        return self.service.port

    @property
    def key(self) -> str:
        """Return the operator's key."""
        return self.service.key

    def start(self, *more: str, program: str = "", before: Sequence[str] = ()) -> Daemon:
        """Start serving, and return at once.

        `program` names a broken build beside this file, with its words, which takes regcred's
        place; `before` is what runs it.
        """
        command = list(self.service.command(*self.more, *more))
        if program:
            file, *words = program.split()
            command[:1] = [sys.executable, str(_HERE / file), *words]
        return Daemon(
            [*before, *command], env=self.service.env, logs=self.service.logs, name="regcred"
        )

    def kill(self, daemon: Daemon | Forked) -> int:
        """End it at a moment that nobody chose; return how many kills that took."""
        daemon.kill()
        return 1

    async def ready(self) -> float:
        """Wait until it serves; return how many seconds that took. Raise TimeoutError."""
        began = time.monotonic()
        await wait_ready(self.port)
        return time.monotonic() - began

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds in the tables as they are committed."""
        file = self.store / "regcred.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(statement, parameters).fetchall()

    def damage(self) -> list[str]:
        """Return what the database finds wrong with itself, and what points nowhere."""
        found = [str(row[0]) for row in self.rows("PRAGMA integrity_check") if row[0] != "ok"]
        return found + [f"dangling: {row}" for row in self.rows("PRAGMA foreign_key_check")]
