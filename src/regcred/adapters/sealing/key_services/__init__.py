"""Keys that somebody else keeps: one file a service, and its line in the table.

Their libraries are extras of this program, imported only where their service is asked for. They
are the operator's targets, as the store is: no tenant chooses them, and no guard stands before
them.
"""

from __future__ import annotations

import logging

# At these libraries' lower levels whole requests are logged, keys to be wrapped included. It is
# said here and not by who sets the log up: the level must hold whoever does.
for _library in ("botocore", "google", "hvac", "requests", "urllib3"):
    logging.getLogger(_library).setLevel(logging.WARNING)

CONNECT_SECONDS, READ_SECONDS = 2.0, 5.0
"""Of one attempt."""


def missing(extra: str) -> str:
    """Return what is said where a service's library is not installed."""
    return f"this program was installed without it: pip install 'regcred[server,{extra}]'"
