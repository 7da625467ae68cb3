"""Points in time on the wire: RFC 3339, out always in UTC with `Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from regcred.domain.errors import InvalidInput

RULE = "must be an RFC 3339 time with its offset, such as 2030-01-31T12:00:00Z, from year 1970 on"

_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
_FIRST_YEAR = 1970


def instant(text: str, *, field: str) -> datetime:
    """Return the time in UTC, to the microsecond. Raise InvalidInput naming `field`."""
    if _FORM.match(text) is None:
        raise InvalidInput(field, RULE)
    try:
        # Digits beyond microseconds are cut by fromisoformat; offsets may leave year 1 or 9999.
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(field, RULE) from None
    if at.year < _FIRST_YEAR:
        raise InvalidInput(field, RULE)
    return at


def timestamp(at: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
