"""The log's table, the calls that log, and the operator's page say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from regcred.bootstrap.log_events import COMMON, CRASHED, EVENTS, LIBRARY
from tests.house.source import ROOT, modules, name, tree

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
OF_AN_EXCEPTION = {"error", "where"}
"""What `**kind_and_place(…)` stands for."""

PAGE = ROOT / "docs" / "monitoring.md"


def logged() -> Iterator[tuple[str, str, str, set[str]]]:
    """Yield every call that logs: where, event, level and fields."""
    for path in modules():
        for node in ast.walk(tree(path)):
            match node:
                case ast.Call(func=ast.Attribute(ast.Name("_log"), attr=level), args=[event]):
                    where = f"{name(path)}:{node.lineno}"
                    assert level in LEVELS, where
                    assert isinstance(event, ast.Constant), f"{where}: an event is a plain text"
                    yield where, str(event.value), level, set(fields(where, node))
                case ast.Attribute(ast.Name("_log"), attr=attribute):
                    assert attribute in LEVELS, name(path)
                case _:
                    pass


def fields(where: str, call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg
        else:
            assert ast.unparse(keyword.value).startswith("kind_and_place("), where
            yield from OF_AN_EXCEPTION


def test_the_table_is_what_the_source_logs() -> None:
    said: dict[str, set[str]] = {}
    for _, event, _, its in logged():
        said.setdefault(event, set()).update(its)

    table = {event: set(its) for event, its in EVENTS.items() if event not in {CRASHED, LIBRARY}}
    assert said == table
    assert not any(its & COMMON for its in table.values())


def test_an_event_is_always_of_one_level() -> None:
    levels = {(event, level) for _, event, level, _ in logged()}

    assert len(levels) == len({event for event, _ in levels})


def test_the_operators_page_tells_every_event_with_its_level_and_fields() -> None:
    levels = {event: level for _, event, level, _ in logged()} | {CRASHED: "error", LIBRARY: "any"}
    section = PAGE.read_text().partition("## The log")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    told = {
        event.strip("`"): (level, frozenset(re.findall(r"`([a-z_]+)`", its)))
        for event, level, its, _ in rows
    }

    assert told == {event: (levels[event], its) for event, its in EVENTS.items()}
    assert all(len(what) > 10 for _, _, _, what in rows)
