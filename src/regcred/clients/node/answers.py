"""The bytes of one HTTP answer, and what a problem among them says."""

from typing import TYPE_CHECKING

from regcred.clients.node.words import Refused, printable

if TYPE_CHECKING:
    from typing import Any

Answer = tuple[int, bytes, bytes]
"""Status, media type, body."""

OK, NO_CONTENT, UNAUTHORIZED, FORBIDDEN, SERVER_ERROR = 200, 204, 401, 403, 500

_MAX_DIGITS = 8
_STATUS_DIGITS = 3


def parse(data: bytes, ended: bool) -> "Answer | None":
    """Return (status, media type, body) of a whole HTTP answer, None of a part. Raise Refused."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    status, *lines = head.split(b"\r\n")
    code = status[9:12]
    if (
        status[:9] not in (b"HTTP/1.1 ", b"HTTP/1.0 ")
        or not (len(code) == _STATUS_DIGITS and code.isdigit() and code >= b"200")
        or status[12:13] not in (b"", b" ")
    ):
        raise Refused("what answers there does not speak HTTP as regcred does: check its URL")
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    kind = fields.get(b"content-type", b"").partition(b";")[0].lower()
    if code == b"204":
        return 204, kind, b""
    if b"transfer-encoding" in fields:
        whole = unchunk(body)
    elif b"content-length" in fields:
        length = fields[b"content-length"]
        if not length.isdigit() or len(length) > _MAX_DIGITS:
            raise Refused("the answer has no sensible length: is this regcred's URL?")
        whole = body[: int(length)] if len(body) >= int(length) else None
    else:
        whole = body if ended else None
    return None if whole is None else (int(code), kind, whole)


def unchunk(data: bytes) -> "bytes | None":
    """Return the body of a chunked answer, None while it is not whole. Raise Refused."""
    body = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            return None
        size = line.partition(b";")[0].strip()
        if not size or size.strip(b"0123456789abcdefABCDEF") or len(size) > _MAX_DIGITS:
            raise Refused("the answer's chunks are broken: is this regcred's URL?")
        length = int(size, 16)
        if length == 0:
            return body
        if len(data) < length + 2:
            return None
        body += data[:length]
        data = data[length + 2 :]


def problem_of(answer: Answer) -> "tuple[str, str]":
    """Return the slug and the detail of a problem, two empty texts if it is not regcred's."""
    import json  # no answer that succeeds needs it

    status, kind, body = answer
    told: Any = {}
    if kind == b"application/problem+json":
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = {}
    if not isinstance(told, dict) or not told:
        return "", ""
    slug = str(told.get("type", "")).rpartition(":")[2]
    return slug, printable(told.get("detail") or told.get("title") or status).rstrip(".")
