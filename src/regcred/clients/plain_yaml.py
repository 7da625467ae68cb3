"""YAML as plain texts (no types, tags or merge keys), measured before anything is built of it.

A few lines of aliases can stand for gigabytes, and a deep nesting for a full stack: what a manifest
or a configuration needs is far below the bounds.
"""

from __future__ import annotations

from typing import Any

import yaml

_MAX_DEPTH = 64
_MAX_EVENTS = 200_000
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class NotPlainYaml(Exception):
    """Why a text is not read; its own words, which may hold a password, are not in it."""


class NotYaml(NotPlainYaml):
    """The text is no YAML at all; says where it breaks, or ""."""


def documents(text: str) -> list[object]:
    """Return the documents of a text. Raise NotPlainYaml, NotYaml."""
    try:
        _measure(text)
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark
        where = f"broken at line {mark.line + 1}, column {mark.column + 1}" if mark else "broken"
        raise NotYaml(where) from None
    except (yaml.YAMLError, ValueError):
        raise NotYaml("") from None


def _measure(text: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.AliasEvent):
            raise NotPlainYaml("it has YAML aliases, which are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH or number > _MAX_EVENTS:
            raise NotPlainYaml("it is nested too deep or holds too much for manifests")
