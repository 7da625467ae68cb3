"""A control: regcred with a writer that answers before its COMMIT. `kill -9` must lose its word."""

from __future__ import annotations

import time
from typing import Any

from regcred.__main__ import main
from regcred.adapters.storage.sqlite import writer
from regcred.adapters.storage.sqlite.transaction import SqliteTransaction

_AFTER_SECONDS = 0.05


def _too_early(self: writer.Writer, batch: list[Any]) -> list[Any]:
    transaction = SqliteTransaction(self._connection, self.sign)
    writer._settle(self._attempt_all(transaction, batch))  # noqa: SLF001  the fault lies inside
    time.sleep(_AFTER_SECONDS)
    transaction.commit()
    return []


if __name__ == "__main__":
    writer.Writer._commit = _too_early  # type: ignore[method-assign]  # noqa: SLF001  that is the fault
    main()
