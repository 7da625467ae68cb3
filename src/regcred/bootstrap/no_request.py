"""What is told to a peer that sent no request: plain text, for no wire language was spoken."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from regcred.web.border import CLOSE
from regcred.web.middleware import COMMON_HEADERS

_ABSOLUTE = re.compile(rb"https?://([^/?#]+)/[^#]*\Z", re.IGNORECASE)

Headers = list[tuple[bytes, bytes]]


def require_same_host(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Pass for an absolute URL of the host that is named beside it. Raise ValueError.

    RFC 9112, section 3.2.2 has its host win over the header's, and many take the header's.
    """
    absolute = _ABSOLUTE.match(target)
    hosts = [value.lower() for name, value in headers if name == b"host"]
    if absolute is None or hosts != [absolute[1].lower()]:
        raise ValueError("the target must be a path, or an absolute URL of the same host")


def refusal(status: int) -> bytes:
    """Return a whole answer, after which the connection is to be closed."""
    headers, body = _told(status)
    fields = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, body, fields, body)


def refusing(status: int) -> Any:
    """Return an application that tells it, for what waits for its turn to be answered."""

    async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
        headers, body = _told(status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return refuse


def _told(status: int) -> tuple[Headers, bytes]:
    body = HTTPStatus(status).phrase.encode()
    return [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *COMMON_HEADERS,
        CLOSE,
    ], body
