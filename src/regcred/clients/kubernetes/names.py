"""Names of a cluster's things, which become part of a request's path.

What is no name never gets there: `../../other/secrets/a` would be a path to somebody else's.
"""

from __future__ import annotations

import re

_LONGEST = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def is_name(text: str) -> bool:
    """Whether a text is a DNS subdomain (RFC 1123), as names of things in Kubernetes are."""
    return len(text) <= _LONGEST and _SUBDOMAIN.fullmatch(text) is not None
