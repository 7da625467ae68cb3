"""A control: regcred with a store that answers before its COMMIT. `kill -9` must lose its word."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from regcred.__main__ import main
from regcred.adapters.storage.postgres import writes
from regcred.adapters.storage.postgres.transaction import PostgresTransaction
from regcred.adapters.storage.postgres.turns import Turn
from regcred.adapters.storage.sqlite import writer
from regcred.adapters.storage.sqlite.transaction import SqliteTransaction

_AFTER_SECONDS = 0.05
_late: set[asyncio.Task[None]] = set()


def _too_early(self: writer.Writer, batch: list[Any]) -> list[Any]:
    transaction = SqliteTransaction(self._connection, self.sign)
    writer._settle(self._attempt_all(transaction, batch))  # noqa: SLF001  the fault lies inside
    time.sleep(_AFTER_SECONDS)
    transaction.commit()
    return []


async def _too_early_on_postgres(self: writes.Writes, turn: Turn, begin: str, work: Any) -> Any:
    told = asyncio.get_running_loop().create_future()

    async def whole() -> None:
        async with self._pool.connection() as connection:
            try:
                transaction = PostgresTransaction(
                    connection,
                    self.sign,
                    self._columns,
                    self._next,
                    begin.format(wait=turn.wait),
                )
                await transaction.begin()
                turn.has_row()
                result = await work(transaction)
                await transaction.write_audit()
            except Exception as error:  # noqa: BLE001  whoever asked is told
                told.set_exception(error)
                return
            told.set_result(result)
            await asyncio.sleep(_AFTER_SECONDS)
            await connection.execute("COMMIT")

    task = asyncio.ensure_future(whole())
    _late.add(task)
    task.add_done_callback(_late.discard)
    return await told


if __name__ == "__main__":
    writer.Writer._commit = _too_early  # type: ignore[method-assign]  # noqa: SLF001  that is the fault
    writes.Writes._attempt = _too_early_on_postgres  # type: ignore[method-assign]  # noqa: SLF001  likewise
    main()
