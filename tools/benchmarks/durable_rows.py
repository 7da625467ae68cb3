"""Commit one small row after the other, durably, and do nothing else: `durable_rows.py DATABASE …`.

One thread on a database of its own, with the settings of the store's connections (WAL,
synchronous=FULL). Prints how many commits a second there were, for SECONDS.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from regcred.adapters.storage.sqlite.connection import connect

_ROW = "x" * 200


def measure(path: Path, seconds: float) -> float:
    """Return commits a second."""
    database = connect(path)
    database.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, value TEXT) STRICT")
    done = 0
    started = time.perf_counter()
    while (took := time.perf_counter() - started) < seconds:
        database.execute("INSERT INTO rows (value) VALUES (?)", (_ROW,))
        done += 1
    database.close()
    return done / took


if __name__ == "__main__":
    print(json.dumps({"per_second": measure(Path(sys.argv[1]), float(sys.argv[2]))}))
