"""Where a login goes, as whoever asks for it may say: for the record of who has it.

It is what a client says and no proof of anything: nothing is decided by it.
"""

from __future__ import annotations

import re

from starlette.types import Scope

from regcred.domain.errors import MalformedRequest
from regcred.web.authentication import only_header

NODE, NAMESPACE = b"regcred-node", b"regcred-namespace"
FORM = "[A-Za-z0-9._-]{1,253}"
_RULE = "must be 1-253 characters of A-Za-z0-9._-, or left away"

_PREFIX = b"regcred-"
_NAME = re.compile(FORM)


def destination(scope: Scope) -> tuple[str, str]:
    """Return (node, namespace), each "" where its header is left away. Raise MalformedRequest."""
    for name, _ in scope["headers"]:
        if name.startswith(_PREFIX):
            return _name(scope, NODE), _name(scope, NAMESPACE)
    return "", ""


def _name(scope: Scope, header: bytes) -> str:
    value = only_header(scope, header)
    if value is None:
        return ""
    if _NAME.fullmatch(value) is None:
        raise MalformedRequest(header.decode().title(), _RULE)
    return value
