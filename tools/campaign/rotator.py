"""`regcred` with short leases and pauses, for rotations that are killed; or a careless build.

    rotator.py [--careless] keys rewrap --data …

The careless one is F11's control: it seals anew over whatever stands there by now, a while after it
read. What people replaced meanwhile must be found lost.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from regcred.__main__ import main
from regcred.adapters.storage.sql import sealed_rows
from regcred.adapters.storage.sql.sealed_rows import SealedRows
from regcred.bootstrap import operator
from regcred.bootstrap.commands import keys, rotations
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.rotation import Resealed
from regcred.settings import Settings
from regcred.usecases import reseal_project, rewrap_keys

_LEASE = timedelta(seconds=1)
_SETTLE = 0.3
_CARELESS_SECONDS = 0.5
_COMPARISON = "AND secret_version = ? AND seed_generation = ? AND sealed = ?"
_exactly = SealedRows.reseal


async def _carelessly(
    self: SealedRows, lease: Lease, until: datetime, rows: Sequence[Resealed]
) -> int:
    time.sleep(_CARELESS_SECONDS)  # noqa: ASYNC251  nothing else runs in this process
    return await _exactly(self, lease, until, rows)


def _without_comparison() -> None:
    for kind, table in sealed_rows._TABLES.items():  # noqa: SLF001  the fault lies inside
        # It still takes the parameters, and looks at none.
        any_ = "AND (secret_version <> ? OR seed_generation <> ? OR sealed IS NOT ? OR true)"
        swap = table.swap.replace(_COMPARISON, any_)
        sealed_rows._TABLES[kind] = table._replace(swap=swap)  # noqa: SLF001  likewise
    SealedRows.reseal = _carelessly  # type: ignore[method-assign]  # that is the fault


def _reseal(settings: Settings, project: str) -> int:
    return keys.reseal(settings, project, _SETTLE)


if __name__ == "__main__":
    for module in (rewrap_keys, reseal_project, rotations):
        module.LEASE = _LEASE  # type: ignore[attr-defined]  # where it is used
    operator._COMMANDS["keys_reseal"] = _reseal  # noqa: SLF001  a shorter pause
    if "--careless" in sys.argv:
        sys.argv.remove("--careless")
        _without_comparison()
    main()
