"""Migrates a store and kills itself before its Nth statement; F27 starts it again and again.

    python migrating.py STORE N [piecemeal]

Prints how many statements there were, where N was beyond them. With `piecemeal` it is the control:
a migration without its one transaction, which a kill leaves half done.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from regcred.adapters.storage.sqlite import schema

_WRITES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT")


class _PiecemealCursor(sqlite3.Cursor):
    def execute(self, statement: str, *parameters: Any) -> Any:
        return self if statement.startswith("BEGIN") else super().execute(statement, *parameters)


class _Piecemeal(sqlite3.Connection):
    def cursor(self, *_: Any) -> sqlite3.Cursor:  # type: ignore[override]  # of one kind
        return _PiecemealCursor(self)


def _traced(last: int, *, piecemeal: bool) -> None:
    """Have every connection of the migration count, and die before statement `last`."""
    count = 0

    def before(statement: str) -> None:
        nonlocal count
        if statement.lstrip().upper().startswith(_WRITES):
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

    usual: Any = sqlite3.connect

    def opened(*given: Any, **more: Any) -> Any:
        made = usual(*given, **more, **({"factory": _Piecemeal} if piecemeal else {}))
        made.set_trace_callback(before)
        return made

    vars(sqlite3)["connect"] = opened
    schema.migrate(Path(sys.argv[1]))
    print(count)


if __name__ == "__main__":
    _traced(int(sys.argv[2]), piecemeal="piecemeal" in sys.argv)
