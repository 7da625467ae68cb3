"""Bodies with a secret inside that are wrong in one way each, for every operation that takes one.

The list is A17's of the threat model: missing, too long, wrong type, extra, list, unreadable JSON,
another content type, a value that is none of those allowed. A text that a field would take is
left out where the field is shown: what people write into a description is theirs to see.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tools.campaign.isolation.operations import Operation

SECRET_FIELDS = frozenset({"password", "secret", "token", "Secret", "serviceAccountToken"})
JSON = "application/json"


class Body(NamedTuple):
    """One body, as sent."""

    what: str
    content: bytes
    media_type: str = JSON


def bodies(operation: Operation, fields: list[str], secret: Callable[[], str]) -> Iterator[Body]:
    """Yield an operation's bodies, each with a secret of its own."""
    if isinstance(operation.body, str):
        yield Body("text", secret().encode() + b"\0", "text/plain")
        yield Body("text of another type", secret().encode(), JSON)
        yield Body("two lines", f"https://r.example\n{secret()}".encode(), "text/plain")
        return
    good: dict[str, Any] = operation.body if operation.body is not None else {}
    kept = [name for name in fields if name in SECRET_FIELDS]
    for name in kept:
        yield Body(f"{name} itself", _json({**good, name: secret()}))
    if operation.id in {"createWebhook", "rotateWebhookSecret"}:
        signing = f"whsec_{base64.b64encode(secret().encode()).decode()}"
        yield Body("a signing secret", _json({**good, "secret": signing}))
    for name in fields:
        for what, value in _wrong(secret()):
            yield Body(f"{name}: {what}", _json({**good, name: value}))
    if "registry_url" in fields:
        url = f"https://user:{secret()}@registry.example.com"
        yield Body("user info", _json({**good, "registry_url": url}))
    yield from _unreadable(good, kept[0] if kept else "name", secret)


def _wrong(secret: str) -> Iterator[tuple[str, Any]]:
    yield "list", [secret, [secret]]
    yield "object", {"value": [secret]}
    yield "object named so", {secret: [secret]}
    yield "NUL", f"{secret}\0"
    yield "too long", secret * 900
    yield "none of them", f"{secret}\n{secret}\x1b"


def _unreadable(good: dict[str, Any], name: str, secret: Callable[[], str]) -> Iterator[Body]:
    def whole() -> bytes:
        return _json({**good, name: secret()})

    text = json.dumps(secret())
    yield Body("missing", _json({name: [secret()]}))
    yield Body("extra", _json({**good, "passwrd": secret()}))
    yield Body("extra named so", _json({**good, secret(): 1}))
    yield Body("list", _json([secret()]))
    yield Body("text", text.encode())
    yield Body("cut short", whole()[:-2])
    yield Body("trailing words", whole() + text.encode())
    yield Body("duplicate", f'{{"{name}": {text}, "{name}": {text}}}'.encode())
    yield Body("not UTF-8", whole() + b"\xff\xfe")
    yield Body("lone surrogate", f'{{"{name}": {text}, "\\ud800": 1}}'.encode())
    yield Body("NaN", f'{{"{name}": {text}, "x": NaN}}'.encode())
    yield Body("deep", f'{{"{name}": {text}, "x": {"[" * 4000}'.encode())
    yield Body("no JSON", secret().encode())
    yield Body("too large", _json({**good, name: secret() * 2000}))
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        yield Body(media_type, whole(), media_type)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
