"""Change members of a JSON object in its text, so that every other byte stays as it was.

Parsing and printing again would lose what people wrote: numbers' spelling, escapes, order, style.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from regcred.clients.wiring.json_object import DECODER, Broken, read_object

_SPACE = " \t\r\n"
_DOCKERS_INDENT = "\t"


class Member(NamedTuple):
    """Where `"name": value` stands in a text: the quote, the colon's gap, the value, its end."""

    name: str
    start: int
    colon: int
    value: int
    end: int


class _Object(NamedTuple):
    start: int
    members: tuple[Member, ...]
    end: int
    """The index of the closing brace."""


def put(text: str, path: Sequence[str], value: str) -> str:
    """Return the text with one member set, its parents made where they are missing.

    Raise Broken for what is no object, and for a member that stands twice.
    """
    read_object(text)
    at = _first(text, 0)
    for depth, name in enumerate(path):
        inside = _object(text, at)
        found = _find(inside, name, depth)
        made = _nested(path[depth + 1 :], value)
        if found is None:
            return _insert(text, inside, name, made, depth)
        if depth == len(path) - 1 or text[found.value : found.end] == "null":
            rendered = _rendered(made, _unit(text), depth)
            return text[: found.value] + rendered + text[found.end :]
        if text[found.value] != "{":
            raise Broken(f"{name} is not an object")
        at = found.value
    raise AssertionError  # a path has a name


def remove(text: str, path: Sequence[str]) -> str:
    """Return the text without one member, and without the parent that this leaves empty.

    Raise Broken as `put` does.
    """
    read_object(text)
    at = _first(text, 0)
    for depth, name in enumerate(path):
        inside = _object(text, at)
        found = _find(inside, name, depth)
        if found is None:
            return text
        if depth == len(path) - 1:
            alone = depth > 0 and len(inside.members) == 1
            return remove(text, path[:-1]) if alone else _without(text, inside, found)
        if text[found.value] != "{":
            return text
        at = found.value
    raise AssertionError  # a path has a name


def masked(text: str, shown: frozenset[str]) -> str:
    """Return JSON with every text in it masked but below the top-level members in `shown`.

    What is known to be harmless is listed, not what is known to be secret: headers and proxies
    hold passwords too.
    """
    spans = list(_texts(text, _first(text, 0), shown))
    for start, end in reversed(spans):
        text = f'{text[:start]}"…"{text[end:]}'
    return text


def _texts(text: str, at: int, shown: frozenset[str]) -> Iterator[tuple[int, int]]:
    if text[at] == '"':
        yield at, DECODER.raw_decode(text, at)[1]
    elif text[at] == "{":
        for member in _object(text, at).members:
            if member.name.casefold() not in shown:
                yield from _texts(text, member.value, frozenset())
    elif text[at] == "[":
        at = _first(text, at + 1)
        while text[at] != "]":
            yield from _texts(text, at, frozenset())
            at = _first(text, DECODER.raw_decode(text, at)[1])
            at = _first(text, at + 1) if text[at] == "," else at


def _object(text: str, start: int) -> _Object:
    """Return an object's members. The text is known to be JSON."""
    members: list[Member] = []
    at = _first(text, start + 1)
    while text[at] != "}":
        name, colon = DECODER.raw_decode(text, at)
        value = _first(text, _first(text, colon) + 1)
        end = DECODER.raw_decode(text, value)[1]
        members.append(Member(name, at, colon, value, end))
        at = _first(text, end)
        at = _first(text, at + 1) if text[at] == "," else at
    return _Object(start, tuple(members), at)


def _find(inside: _Object, name: str, depth: int) -> Member | None:
    """Return a member. Go takes the outer names, which are fields, in any case."""
    found = [
        one
        for one in inside.members
        if one.name == name or (depth == 0 and one.name.casefold() == name.casefold())
    ]
    if len(found) > 1:
        raise Broken(f"{name} stands there twice")
    return found[0] if found else None


def _insert(text: str, inside: _Object, name: str, made: object, depth: int) -> str:
    unit = _unit(text)
    rendered = _rendered(made, unit, depth)
    if inside.members:
        last = inside.members[-1]
        before = len(text[: last.start].rstrip(_SPACE))
        gap, colon = text[before : last.start], text[last.colon : last.value]
        added = f",{gap}{json.dumps(name)}{colon}{rendered}"
        return text[: last.end] + added + text[last.end :]
    added = f"{json.dumps(name)}: {rendered}"
    if unit is not None:
        end = "\r\n" if "\r\n" in text else "\n"
        added = f"{end}{unit * (depth + 1)}{added}{end}{unit * depth}"
    return text[: inside.start + 1] + added + text[inside.end :]


def _without(text: str, inside: _Object, gone: Member) -> str:
    place = inside.members.index(gone)
    if place + 1 < len(inside.members):
        return text[: gone.start] + text[inside.members[place + 1].start :]
    if place:
        return text[: inside.members[place - 1].end] + text[gone.end :]
    return text[: inside.start + 1] + text[inside.end :]


def _nested(path: Sequence[str], value: str) -> object:
    made: object = value
    for name in reversed(path):
        made = {name: made}
    return made


def _rendered(made: object, unit: str | None, depth: int) -> str:
    if unit is None:
        return json.dumps(made)
    return json.dumps(made, indent=unit).replace("\n", "\n" + unit * (depth + 1))


def _unit(text: str) -> str | None:
    """Return how the document indents one level, None when it stands on one line."""
    outer = _object(text, _first(text, 0))
    if not outer.members:
        return _DOCKERS_INDENT
    gap = text[outer.start + 1 : outer.members[0].start]
    return gap.rpartition("\n")[2] if "\n" in gap else None


def _first(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
