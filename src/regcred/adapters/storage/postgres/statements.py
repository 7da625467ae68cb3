"""From the nouns' statements to PostgreSQL's, each text once: placeholders, and a few functions.

The nouns' statements are SQL that both databases take, but for the form of placeholders and for
the functions named here, which have another name or form on PostgreSQL. Whatever else differs does
not belong into a noun's statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from regcred.adapters.storage.sql.transaction import Parameters

_PLACEHOLDER = re.compile(r"'[^']*'|\?(\d*)|(?<![:\w]):([a-z_]+)")
_CALL = re.compile(r"\b(iif|instr|json_each|json_extract|max|min)\(")
_KEY = re.compile(r"'\$\.(\w+)'")


class Statement(NamedTuple):
    """A statement for PostgreSQL, and the names of its parameters if they are named."""

    text: str
    names: tuple[str, ...]

    def arguments(self, parameters: Parameters) -> Sequence[object]:
        """Return the parameters in the order of the placeholders."""
        if isinstance(parameters, dict):
            return [parameters[name] for name in self.names]
        return parameters


@lru_cache(maxsize=4096)
def translate(statement: str) -> Statement:
    """Return the statement as PostgreSQL takes it."""
    names: dict[str, None] = {}
    counted = iter(range(1, 1 << 15))

    def number(found: re.Match[str]) -> str:
        _, name = found.groups()
        if found[0].startswith("'"):
            return found[0]
        if name is None:
            return f"${found[1] or next(counted)}"
        names.setdefault(name)
        return f"${list(names).index(name) + 1}"

    text = _PLACEHOLDER.sub(number, statement).replace("CROSS JOIN", "JOIN")
    if "SELECT DISTINCT" in text:
        # Only what is listed may order it, and of a scope's number the credential's is the same.
        text = text.replace("ORDER BY s.number", "ORDER BY c.number")
    return Statement(rename_calls(text), tuple(names))


def rename_calls(text: str) -> str:
    """Return SQL with the functions that PostgreSQL calls otherwise under its names."""
    found = _CALL.search(text)
    if found is None:
        return text
    arguments, end = _arguments(text, found.end())
    called = _CALLS[found[1]]([rename_calls(argument) for argument in arguments])
    return f"{text[: found.start()]}{called}{rename_calls(text[end:])}"


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """Return the arguments of the call whose parenthesis ends before `start`, and its end."""
    cuts = [start - 1]
    depth = 0
    for position, sign in _signs(text, start):
        if sign == ")" and depth == 0:
            cuts.append(position)
            break
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            cuts.append(position)
    return [text[a + 1 : b].strip() for a, b in pairwise(cuts)], cuts[-1] + 1


def _signs(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Yield parentheses and commas that stand in no literal."""
    quoted = False
    for position in range(start, len(text)):
        sign = text[position]
        if sign == "'":
            quoted = not quoted
        elif not quoted and sign in "(),":
            yield position, sign


def _choice(arguments: Sequence[str]) -> str:
    condition, then, otherwise = arguments
    return f"CASE WHEN {condition} THEN {then} ELSE {otherwise} END"


def _elements(arguments: Sequence[str]) -> str:
    return f"json_array_elements_text({_member(arguments, '->')})"


def _member(arguments: Sequence[str], operator: str) -> str:
    text = f"CAST({arguments[0]} AS json)"
    if len(arguments) == 1:
        return text
    key = _KEY.fullmatch(arguments[1])
    if key is None:
        raise ValueError("a JSON path must be one key")
    return f"({text} {operator} '{key[1]}')"


def _extreme(aggregate: str, of_several: str) -> Callable[[Sequence[str]], str]:
    """SQLite's max and min are also what PostgreSQL calls greatest and least."""
    return lambda arguments: (
        f"{aggregate if len(arguments) == 1 else of_several}({', '.join(arguments)})"
    )


_CALLS: dict[str, Callable[[Sequence[str]], str]] = {
    "iif": _choice,
    "instr": lambda arguments: f"strpos({', '.join(arguments)})",
    "json_each": _elements,
    "json_extract": lambda arguments: _member(arguments, "->>"),
    "max": _extreme("max", "greatest"),
    "min": _extreme("min", "least"),
}
