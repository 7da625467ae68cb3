"""Migrates a PostgreSQL database, and dies or loses its connection before its Nth statement.

    python migrating_postgres.py URL N

kills itself there; F27 itself has the connection terminated, which costs no process. The statements
counted are those of the migration's transaction, its COMMIT among them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.ext import asyncio as engines

from regcred.adapters.storage.postgres import Address, schema


class Counting:
    """Counts the statements of a migration, and acts before one of them."""

    def __init__(self, last: int, act: Callable[[], object]) -> None:
        self.statements = 0
        self._last = last
        self._act = act

    def migrate(self, url: str) -> None:
        """Migrate. Raise StartRefused when the connection is lost."""
        with _heard("before_cursor_execute", self._step), _heard("commit", self._step):
            asyncio.run(schema.migrate(Address(url)))

    def _step(self, *_: object) -> None:
        self.statements += 1
        if self.statements == self._last:
            self._act()


@contextmanager
def piecemeal() -> Iterator[None]:
    """The control: each statement is a transaction of its own while the block runs."""
    usual: Any = engines.create_async_engine

    def made(*given: Any, **more: Any) -> Any:
        return usual(*given, **more, isolation_level="AUTOCOMMIT")

    vars(engines)["create_async_engine"] = made
    try:
        yield
    finally:
        vars(engines)["create_async_engine"] = usual


@contextmanager
def _heard(name: str, step: Callable[..., None]) -> Iterator[None]:
    event.listen(Engine, name, step)
    try:
        yield
    finally:
        event.remove(Engine, name, step)


if __name__ == "__main__":
    Counting(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)).migrate(sys.argv[1])
