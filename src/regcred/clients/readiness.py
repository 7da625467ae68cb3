"""Whether the service is ready, and what time it has: asked without a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx2

from regcred.clients.calls import trust
from regcred.clients.config import ClientConfig
from regcred.clients.problems import ServiceUnreachable

_TIMES = httpx2.Timeout(5)
_READY = 200


@dataclass(frozen=True, slots=True)
class Readiness:
    """What /readyz answered."""

    ready: bool
    status: int
    date: datetime | None
    """The service's time, to the second."""


def readiness(config: ClientConfig) -> Readiness:
    """Ask whether the service is ready. Raise ServiceUnreachable."""
    try:
        with (
            httpx2.Client(verify=trust(config), trust_env=False, timeout=_TIMES) as client,
            # Only the head counts: whatever else is sent is not read.
            client.stream("GET", f"{config.url}/readyz") as answer,
        ):
            date = _date(answer.headers.get("date", ""))
            return Readiness(answer.status_code == _READY, answer.status_code, date)
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        raise ServiceUnreachable(config.url, str(error) or type(error).__name__) from None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else None
