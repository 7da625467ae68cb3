"""JSON as it is read here: RFC 8259 without the ambiguities that parsers disagree about.

Refused, because two readers of the same bytes could see two documents: repeated names, NaN and
Infinity, numbers that no store holds, lone surrogates, byte order marks, any encoding but UTF-8.
Refusals name the rule and never anything of the body (security facts, A17, A51, A52).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Never

from regcred.domain.errors import MalformedRequest
from regcred.web.refusals import UnsupportedMediaType

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

MAX_DEPTH = 32
MAX_MEMBERS = 256
"""Of one object: no shape has nearly as many."""

MAX_INT = 2**63 - 1
_MAX_DIGITS = 20
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


def require_media_type(content_types: list[str], *accepted: str) -> None:
    """Pass if the one Content-Type is among `accepted`, in UTF-8. Raise UnsupportedMediaType."""
    if len(content_types) != 1:
        raise UnsupportedMediaType(*accepted)
    if content_types[0] in accepted:
        return
    essence, _, parameters = content_types[0].partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if essence.strip().lower() not in accepted or charset not in {"", "charset=utf-8"}:
        raise UnsupportedMediaType(*accepted)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that `body` is. Raise MalformedRequest."""
    try:
        parsed = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        _refuse("must be UTF-8")
    except json.JSONDecodeError as error:
        _refuse(f"must be valid JSON: it breaks at character {error.pos}")
    except RecursionError:
        _refuse(_TOO_DEEP)
    if not isinstance(parsed, dict):
        _refuse("must be a JSON object")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(parsed) > MAX_DEPTH:
        _refuse(_TOO_DEEP)
    # UTF-8 itself has no surrogates, so they can only have come as escapes.
    if _SURROGATE_ESCAPE.search(body) and not _encodable(parsed):
        _refuse("must not have lone surrogates")
    return parsed


_TOO_DEEP = f"must be nested at most {MAX_DEPTH} deep"


def _refuse(rule: str) -> Never:
    # `from None`: the parser's own errors hold the document.
    raise MalformedRequest("body", rule) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        _refuse(f"must have at most {MAX_MEMBERS} members in an object")
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("must not repeat a name within an object")
    return members


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= _MAX_DIGITS else MAX_INT + 1
    if not -MAX_INT <= value <= MAX_INT:
        _refuse("must have whole numbers of at most 63 bits")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        _refuse("must have numbers that fit a double")
    return value


def _constant(_name: str) -> Never:
    _refuse("must not have NaN or Infinity")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)


def _depth(value: object) -> int:
    """Return how deep the value is nested, without recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            member
            for container in level
            if isinstance(container, dict | list)
            for member in (container.values() if isinstance(container, dict) else container)
            if isinstance(member, dict | list)
        ]
    return deepest


def _encodable(value: object) -> bool:
    """Whether every text and name in the value is Unicode that UTF-8 can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
