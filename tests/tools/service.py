"""A real `regcred serve`, started from a fresh data folder and stopped by its process id."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.tools.api import Api, Heard
from tests.tools.programs import (
    LOOPBACK,
    Daemon,
    Finished,
    environment,
    free_port,
    http_status,
    regcred,
    run,
    unfollowed,
)

ALLOW_LOOPBACK = ("--allow-network", "127.0.0.0/8", "--allow-http", LOOPBACK)
"""What the operator says so that registries on this machine may be asked, over http."""


class Service:
    """One data folder and the process that serves it."""

    def __init__(self, folder: Path, *, log_level: str = "info") -> None:
        self.folder = folder
        self.data = folder / "data"
        self.logs = folder / "logs"
        self.port = free_port()
        self.key = ""
        """The operator's key, once `init` has run."""

        folder.mkdir(parents=True, exist_ok=True)
        self.env = environment(folder, REGCRED_LOG_LEVEL=log_level)
        self.followed = True
        """Whether coverage follows the server; slower, and much of it is looked at elsewhere."""

    @property
    def url(self) -> str:
        """Return where clients reach it."""
        return f"http://{LOOPBACK}:{self.port}"

    def init(self) -> None:
        """Set the data folder up and keep the operator's key. Raise RuntimeError."""
        done = self.run("init", "--data", str(self.data), "-o", "json")
        if done.code != 0:
            raise RuntimeError(f"regcred init: {done.code}\n{done.text}")
        self.key = json.loads(done.out)["key"]

    def run(self, *arguments: str, stdin: str = "") -> Finished:
        """Run an operator's command beside the server."""
        return run([*regcred(), *arguments], env=self.env, stdin=stdin)

    def command(self, *more: str) -> Sequence[str]:
        """Return the command that serves this folder on this port."""
        where = ("--host", LOOPBACK, "--port", str(self.port))
        return [*regcred(), "serve", "--data", str(self.data), *where, *ALLOW_LOOPBACK, *more]

    def start(self, *more: str, cores: Sequence[int] = ()) -> Daemon:
        """Start serving and return at once; the port opens when it is ready."""
        env = self.env if self.followed else unfollowed(self.env)
        return Daemon(self.command(*more), env=env, logs=self.logs, name="regcred", cores=cores)

    def ready(self) -> bool:
        """Whether it says that it can serve."""
        return http_status(self.port, "/readyz") == 200

    @contextlib.contextmanager
    def serving(self, *more: str, cores: Sequence[int] = ()) -> Iterator[Daemon]:
        """Serve until the block ends."""
        daemon = self.start(*more, cores=cores)
        try:
            yield daemon.wait_ready(self.ready)
        finally:
            daemon.stop()

    def make_due(self, name: str) -> None:
        """Move the next automatic check of a login to now, as time would."""
        file = self.data / "store" / "regcred.db"
        with contextlib.closing(sqlite3.connect(file, timeout=10)) as store, store:
            store.execute("UPDATE credentials SET check_at = 0 WHERE name = ?", (name,))

    def api(self, key: str | None = None, *, heard: Heard | None = None) -> Api:
        """Return the native API with the operator's key, or with another."""
        return Api(self.url, key or self.key, heard=heard)
