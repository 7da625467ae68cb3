"""Print data on stdout: a table to read, JSON or YAML to process, names to pass on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import typer

from regcred.clients.cli.words import escaped, shown

Json = dict[str, Any]


class Format(StrEnum):
    """How data is printed."""

    table = "table"
    json = "json"
    yaml = "yaml"
    name = "name"


class Noun(NamedTuple):
    """How one kind of thing is named and which of its fields a table shows."""

    name: Callable[[Json], object]
    columns: Mapping[str, Callable[[Json], object]]


def show_list(items: Iterable[Json], noun: Noun, output: Format) -> None:
    """Print several things."""
    listed = list(items)
    if output is Format.table:
        table(list(noun.columns), [[cell(f(i)) for f in noun.columns.values()] for i in listed])
    elif output is Format.name:
        for item in listed:
            typer.echo(cell(noun.name(item)))
    else:
        structure(listed, output)


def show_one(item: Json, noun: Noun, output: Format) -> None:
    """Print one thing whole."""
    if output is Format.table:
        record(item)
    elif output is Format.name:
        typer.echo(cell(noun.name(item)))
    else:
        structure(item, output)


def structure(data: object, output: Format) -> None:
    """Print JSON or YAML. Escapes stay valid in both, so nothing is lost by them."""
    if output is Format.yaml:
        import yaml  # noqa: PLC0415  only -o yaml needs it

        text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
        if _deceives(text):
            text = yaml.safe_dump(data, allow_unicode=False, sort_keys=False)
    else:
        text = safe_json(json.dumps(data, indent=2, ensure_ascii=False))
    typer.echo(text.rstrip("\n"))


def safe_json(text: str) -> str:
    """Return JSON with everything escaped that a terminal would obey: it says the same."""
    # json.dumps escapes what is below a space; the rest stands in strings alone.
    return "".join(escaped(c) if c != "\n" and shown(c) != c else c for c in text)


def record(item: Mapping[str, object]) -> None:
    """Print a thing's fields below one another; an inner object's stand under its own name."""
    rows: list[tuple[str, str]] = []
    for name, value in item.items():
        title = name.replace("_", " ")
        if isinstance(value, dict) and value:
            rows += [(f"{title}: {shown(str(n))}", cell(inner)) for n, inner in value.items()]
        else:
            rows.append((title, cell(value)))
    width = max((len(title) for title, _ in rows), default=0)
    for title, value in rows:
        typer.echo(f"{title:{width}}  {value}".rstrip())


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal with colour, headed in bold."""
    if not rows:
        return
    if colourful():
        _rich_table(titles, rows)
        return
    lines = [[title.upper() for title in titles], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def cell(value: object) -> str:
    """Return a value as one line of text, safe to print."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{shown(str(name))}={cell(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    return shown(str(value))


def colourful() -> bool:
    """Whether stdout is a terminal whose user did not say NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _deceives(text: str) -> bool:
    return any(c != "\n" and shown(c) != c for c in text)


def _rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  takes a tenth of a second
    from rich.table import Table  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415  as above

    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        made.add_column(title.upper(), overflow="fold")
    for row in rows:
        # Text, not markup: `[link=…]` in a name is a name.
        made.add_row(*(Text(text) for text in row))
    Console().print(made)
