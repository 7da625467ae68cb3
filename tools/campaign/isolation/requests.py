"""What one cell sends, and what of the answer can be compared with another cell's."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.web.dialects.driver import driver_of
from tests.web.world import Reply, World
from tools.campaign.isolation.operations import FRESH, Operation, Slot
from tools.campaign.isolation.stage import Things

SAME_ID = "the-same-id"
# What differs between two answers about two new things, and tells nothing.
_CHANGING = (
    re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)"),
    re.compile(r"rgc_\w+"),
    re.compile(r"whsec_[\w+/=]+"),
    re.compile(r"cell-\d{6}"),
    re.compile(r'"(?:id|data|number|count|total|version|project_id)":\s*(?:\d+|"\w{1,12}")'),
    re.compile(r'"(?:next_)?cursor":\s*"[^"]+"'),
)
_LONG = 4
"""Characters: a shorter text that was said stands in an answer by chance too."""

_COUNTED_HEADERS = re.compile(r"x-ratelimit-.*|etag|location|content-length")


@dataclass(frozen=True)
class Sent:
    """One request, and the texts of it that an answer may say back."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    json: Any
    text: str | None
    said: tuple[str, ...]


class Requests:
    """Words requests: an operation's own, with one place filled by something else."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def make(
        self, operation: Operation, own: Things, slot: Slot | None = None, value: str = ""
    ) -> Sent:
        """Return a request about `own` things, with `value` in the slot."""
        fresh = f"cell-{next(self._numbers):06}"
        named = _named(operation, own)
        said = [value, *named.values()]
        where = slot.where if slot else ""
        if slot and where == "path":
            named[slot.name] = value
        path = operation.path
        for name, filled in named.items():
            path = path.replace(f"{{{name}}}", quote(filled, safe=""))
        query = dict(pair.split("=", 1) for pair in filter(None, [operation.query]))
        query = dict.fromkeys(query, own["credential name"])
        if slot and where == "query":
            query = {"image": value} if slot.name == "image" else {**query, slot.name: value}
        headers = [("X-Request-Id", SAME_ID)]
        if slot and where == "header":
            headers.append((slot.name, value))
        body, text = _bodies(operation.body, fresh, slot, value)
        if text is not None:
            headers.append(("Content-Type", "text/plain"))
        whole = f"{path}?{urlencode(query)}" if query else path
        return Sent(operation.method, whole, tuple(headers), body, text, tuple(said))


async def send(world: World, face: str, caller: str | None, sent: Sent) -> Reply:
    """Send it as the face's callers do."""
    shown: Mapping[str, str] = {}
    if caller is not None:
        shown = driver_of(face).key(world.keys[caller])
    headers = [*shown.items(), *sent.headers]
    return await world.send(
        sent.method, sent.path, sent.json, key=None, headers=headers, content=sent.text
    )


def told(reply: Reply, sent: Sent) -> tuple[Any, ...]:
    """Return all that an answer tells: of a refusal every byte, else what is not new each time."""
    headers = sorted(
        (name, value)
        for name, value in reply.headers.items()
        if not (_COUNTED_HEADERS.fullmatch(name) and name != "content-length")
    )
    if reply.status_code >= 400:
        return reply.status_code, reply.content, headers
    names = [name for name, _ in headers]
    return reply.status_code, _masked(reply.text, sent.said), names


def leaks(reply: Reply, words: Iterable[str], sent: Sent) -> list[str]:
    """Return which words an answer tells although the request did not say them."""
    where = f"{reply.text}\n{reply.headers}"
    said = "\n".join(sent.said)
    return [
        word for word in words if word not in said and any(form in where for form in _forms(word))
    ]


def _forms(word: str) -> Iterable[str]:
    yield word
    raw = word.encode()
    for offset in range(3):
        start, end = (0, 2, 3)[offset], (offset + len(raw)) // 3 * 4
        yield base64.b64encode(bytes(offset) + raw).decode()[start:end]


def _named(operation: Operation, own: Things) -> dict[str, str]:
    """Return what the path names by default: own things, the login by what the face shows."""
    defaults = {
        "project": own["project id"], "project_id": own["project number"],
        "credential": own["credential id"], "credential_name": own["credential name"],
        "key": own["key"], "webhook": own["webhook"], "workload": own["workload"],
        "cluster": own["cluster"], "kind": own["use kind"], "name": own["use name"],
        "provider": "ghcr",
        "id": own["credential number" if operation.face == "yotta" else "credential id"],
    }  # fmt: skip
    return {name: defaults[name] for name in operation.parameters}


def _bodies(body: Any, fresh: str, slot: Slot | None, value: str) -> tuple[Any, str | None]:
    """Return (JSON body, text body)."""
    if isinstance(body, str):
        return None, value if slot and slot.where == "text" else body
    if body is None:
        return None, None
    filled = json.loads(json.dumps(body).replace(FRESH, fresh))
    if slot and slot.where in {"body", "extra"}:
        patterns = slot.name == "image_patterns"
        filled[slot.name] = [value] if patterns else value
    return filled, None


def _masked(text: str, said: Iterable[str]) -> str:
    # An image is said back in parts.
    parts = [*said, *(part for one in said for part in one.split("/", 1))]
    for one in sorted((part for part in parts if len(part) >= _LONG), key=len, reverse=True):
        text = text.replace(json.dumps(one)[1:-1], "SAID").replace(quote(one, safe=""), "SAID")
    for form in _CHANGING:
        text = form.sub("NEW", text)
    return text
