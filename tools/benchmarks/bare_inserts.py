"""Insert rows through the store's own writer and do nothing else: `bare_inserts.py DATABASE …`.

Takes the database of a service that was stopped, and a row of its `credentials` to copy; prints how
many inserts a second were acknowledged (CONNECTIONS waiting at once, for SECONDS).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
import uuid
from pathlib import Path

import uvloop

from regcred.adapters.storage.sql.transaction import Transaction
from regcred.adapters.storage.sqlite.connection import connect
from regcred.adapters.storage.sqlite.writer import Writer

_OWN = ("id", "number", "name")


def _template(database: sqlite3.Connection) -> tuple[list[str], list[object], int]:
    """Return the columns of `credentials`, a row of it, and the highest number."""
    columns = [row[1] for row in database.execute("PRAGMA table_info(credentials)")]
    row = database.execute(f"SELECT {', '.join(columns)} FROM credentials LIMIT 1").fetchone()  # noqa: S608 - the schema's own names
    (last,) = database.execute("SELECT max(number) FROM credentials").fetchone()
    return columns, list(row), last


async def measure(path: Path, waiting: int, seconds: float) -> float:
    """Return acknowledged inserts a second."""
    database = connect(path)
    columns, row, number = _template(database)
    places = [columns.index(name) for name in _OWN]
    statement = (
        f"INSERT INTO credentials ({', '.join(columns)}) "  # noqa: S608 - the schema's own names
        f"VALUES ({', '.join('?' * len(columns))})"
    )
    writer = Writer(database, sign=None)
    done = 0
    started = time.perf_counter()
    deadline = started + seconds

    async def one_by_one() -> None:
        nonlocal done, number
        while time.perf_counter() < deadline:
            number += 1
            mine = row.copy()
            for place, value in zip(
                places, (str(uuid.uuid4()), number, f"bare-{number}"), strict=True
            ):
                mine[place] = value

            async def insert(transaction: Transaction, mine: list[object] = mine) -> int:
                return await transaction.change(statement, mine)

            await writer.submit(insert)
            done += 1

    await asyncio.gather(*(one_by_one() for _ in range(waiting)))
    took = time.perf_counter() - started
    writer.close()
    return done / took


if __name__ == "__main__":
    rate = uvloop.run(measure(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    print(json.dumps({"per_second": rate}))
