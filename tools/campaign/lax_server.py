"""A control: regcred with another `synchronous` than FULL, named by the first word."""

from __future__ import annotations

import sys
from functools import partial

from regcred.__main__ import main
from regcred.adapters.storage.sqlite import connection, store

_LEVELS = {"OFF": 0, "NORMAL": 1}


def _lax(level: str) -> connection.Pragmas:
    return tuple(
        (name, level, _LEVELS[level]) if name == "synchronous" else (name, setting, wanted)
        for name, setting, wanted in connection.PRAGMAS
    )


if __name__ == "__main__":
    pragmas = _lax(sys.argv.pop(1))
    connect = connection.connect
    vars(store)["connect"] = partial(connect, pragmas=pragmas)
    main()
