"""Client configuration as Go's JSON decoder reads it, which is what docker and podman use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

Json = dict[str, Any]


class Broken(Exception):
    """A file's text is not what its program reads; says why, never what stands in it."""


def read_object(text: str, *, trailing: bool = False) -> Json:
    """Return a JSON object. Raise Broken.

    `trailing` allows text after it, as docker does, which decodes a stream's first value.
    """
    if not text.strip():
        raise Broken("it is empty")
    try:
        value = DECODER.raw_decode(text.lstrip(" \t\r\n"))[0] if trailing else DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Broken(f"it is not JSON (line {error.lineno})") from None
    except RecursionError:
        raise Broken("it is nested too deep") from None
    except ValueError:
        raise Broken("it holds a number that JSON does not know") from None
    if not isinstance(value, dict):
        raise Broken("it is JSON, but no object")
    return value


def field(found: Mapping[str, Any], name: str) -> Any:
    """Return what Go would read into a field: names match in any case, and the last one counts."""
    named = [value for key, value in found.items() if key.casefold() == name.casefold()]
    return named[-1] if named else None


def text_map(found: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return a field that maps names to texts, {} where there is none. Raise Broken."""
    value = field(found, name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise Broken(f"{name} is not an object of texts")
    return value


def object_map(found: Mapping[str, Any], name: str) -> dict[str, Json]:
    """Return a field that maps names to objects, {} where there is none. Raise Broken."""
    value = field(found, name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
        raise Broken(f"{name} is not an object of objects")
    return value


def text(found: Mapping[str, Any], name: str) -> str:
    """Return a field that is a text, "" where there is none. Raise Broken."""
    value = field(found, name)
    if value is not None and not isinstance(value, str):
        raise Broken(f"{name} is not a text")
    return value or ""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


DECODER = json.JSONDecoder(parse_constant=_refuse)
