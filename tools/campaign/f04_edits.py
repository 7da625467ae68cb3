"""F4: someone who writes to the database, but has no key, moves, edits or takes back what is there.

Every column of every table is edited in place, as the schema names them: each edit is noticed (the
start refuses, the audit says so, or what was edited does not open), or the column stands on the
reviewed list of those that decide nothing (harmless.py). Sealed secrets are moved between all pairs
of places. Rows, tables and the whole file are put back as they were earlier.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from regcred.adapters.sealing import envelope
from tools.campaign.full_store import NOTHING, FullStore, decisions, make
from tools.campaign.harmless import HARMLESS, HARMLESS_TABLES, ROWS
from tools.campaign.moves import move_all
from tools.campaign.reading import Reading, read_now, typed
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace

SEED = 20261202
PAIRS = 992

Column = tuple[str, str]
"""A table and a column of it."""

_TABLES = "SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name"

Edit = Callable[[sqlite3.Connection], None]


def run(scale: float) -> Report:
    """Edit everything, and with a seal that binds nothing, which must show."""
    report = Report("F4 moves, edits, rollbacks, SQLite", SEED, demands={"moves": PAIRS})
    chance = random.Random(SEED)
    with workspace("f04", below=memory()) as folder:
        bench = _Bench(asyncio.run(make(folder)), folder / "edited")
        moved, opened = move_all(bench.made, folder / "moved", scaled(PAIRS, scale), chance)
        report.counts["moves"] = moved
        report.violations += opened
        columns = bench.columns()
        report.counts["columns"] = len(columns)
        some = chance.sample(columns, scaled(len(columns), min(1, scale), least=8))
        for column in sorted(some):
            bench.edit_column(column, report)
        if len(some) == len(columns):
            report.violations += [f"{one}: listed, and no such column" for one in _stale(columns)]
        bench.roll_back(report, scaled(1000, min(1, scale), least=4), chance)
        with _binds_nothing():
            _, opened = move_all(bench.made, folder / "moved", 64, chance, reseal=True)
        control = Control("a seal that binds no place", bool(opened), f"{len(opened)} opened")
        report.controls.append(control)
    return report


def _stale(columns: list[Column]) -> list[str]:
    return [".".join(one) for one in HARMLESS if one not in columns]


class _Outcome(NamedTuple):
    """What came of an edit."""

    noticed: bool
    changed: list[str]
    """Decisions that are others now, without a word."""

    wrong: list[str]
    """What may not be in any case."""


class _Bench:
    """A store, what it decides, and a place to edit copies of it."""

    def __init__(self, made: FullStore, image: Path) -> None:
        self.made = made
        self._image = image
        with self._copied(made.data):
            self._whole = self._read()
        if self._whole.refused is not None:
            raise RuntimeError(f"it does not open as it is: {self._whole.refused!r}")

    def columns(self) -> list[Column]:
        """Return every column of every table, as the schema has them."""
        with self._copied(self.made.data), self._database() as database:
            tables = database.execute(_TABLES).fetchall()
            return [
                (table, row[1])
                for (table,) in tables
                for row in database.execute(f"PRAGMA table_info({table})")
            ]

    def edit_column(self, column: Column, report: Report) -> None:
        """Edit it in every way there is, and judge each."""
        noticed = 0
        edits = list(self._edits(column))
        report.add("columns of empty tables", not edits)
        for what, edit in edits:
            outcome = self._after(edit)
            if outcome is None:
                report.add("edits that the database refuses")
                continue
            report.add("edits")
            noticed += outcome.noticed
            report.add("noticed", outcome.noticed)
            name = ".".join(column)
            report.violations += [f"{name} ({what}): {one}" for one in outcome.wrong]
            if outcome.noticed:
                continue
            if column not in HARMLESS:
                report.violations.append(f"{name} ({what}): not noticed {outcome.changed}")
            elif outcome.changed:
                report.violations.append(f"{name} ({what}): listed, but {outcome.changed}")

    def roll_back(self, report: Report, most: int, chance: random.Random) -> None:
        """Put back single rows, whole tables and the file, as they were earlier."""
        steps = list(self._rollbacks())
        for what, table, edit in chance.sample(steps, min(most, len(steps))):
            outcome = self._after(edit)
            if outcome is None:
                continue  # nothing of it is another than it was
            report.add("rollbacks")
            report.violations += [f"{what}: {one}" for one in outcome.wrong]
            if not outcome.noticed and (table not in HARMLESS_TABLES or outcome.changed):
                report.violations.append(f"{what}: not noticed {outcome.changed}")
        with self._copied(self.made.data):
            shutil.rmtree(self._image / "store")
            shutil.copytree(self.made.earlier / "store", self._image / "store")
            report.add("rollbacks")
            if self._read().refused is None:
                report.violations.append("the whole file was put back: not noticed")

    # How

    @contextmanager
    def _copied(self, data: Path) -> Iterator[None]:
        shutil.copytree(data, self._image)
        try:
            yield
        finally:
            shutil.rmtree(self._image)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self._image / "store" / "regcred.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA ignore_check_constraints=ON")
            database.execute("ATTACH ? AS earlier", (str(self._earlier()),))
            yield database

    def _earlier(self) -> Path:
        return self.made.earlier / "store" / "regcred.db"

    def _read(self) -> Reading:
        return read_now(self._image, [("login", "login-1")], also=decisions(self.made.tokens))

    def _after(self, edit: Edit) -> _Outcome | None:
        """Return what came of an edit; None if the database itself refused it."""
        with self._copied(self.made.data):
            try:
                with self._database() as database:
                    before = database.total_changes
                    edit(database)
                    if database.total_changes == before:
                        return None
            except sqlite3.Error:
                return None
            return self._judge(self._read())

    def _judge(self, now: Reading) -> _Outcome:
        errors = [now.refused] if now.refused is not None else list(now.errors.values())
        wrong = [f"{error!r}" for error in errors if not typed(error)]
        if now.refused is not None:
            return _Outcome(True, [], wrong)
        told = any(entry["log_level"] == "error" for entry in now.logged)
        changed = []
        for thing in self._whole.found.keys() | now.found.keys() | self._whole.errors.keys():
            if thing[0] != "decides":
                continue
            was, there = self._whole.found.get(thing), now.found.get(thing)
            before, error = (repr(one.errors.get(thing)) for one in (self._whole, now))
            if (was, before) == (there, error):
                continue
            if error not in {before, "None"}:
                told = True
            elif there not in {was, None, NOTHING}:
                changed.append(f"{thing[1]}: {was} -> {there}")
        return _Outcome(told, changed, wrong)

    def _edits(self, column: Column) -> Iterator[tuple[str, Edit]]:
        table, name = column
        with self._copied(self.made.data), self._database() as database:
            values = [
                row[0]
                for row in database.execute(f'SELECT DISTINCT "{name}" FROM {table}')  # noqa: S608  from the schema
            ]
        old = values[0] if values else None
        update = f'UPDATE {table} SET "{name}" = ? WHERE "{name}" IS ?'  # noqa: S608  likewise
        # A column of an empty table cannot be edited: how many those are is counted.
        for value in _others(values) if values else ():
            if value != old:
                yield f"{_short(old)} -> {_short(value)}", _script((update, (value, old)))

    def _rollbacks(self) -> Iterator[tuple[str, str, Edit]]:
        for what, statements in ROWS.items():
            yield what, "", _script(*((statement, ()) for statement in statements))
        for table in self._changed_tables():
            clear = f"DELETE FROM main.{table}"  # noqa: S608  from the schema
            fill = f"INSERT INTO main.{table} SELECT * FROM earlier.{table}"  # noqa: S608  likewise
            yield f"the table {table} was put back", table, _script((clear, ()), (fill, ()))

    def _changed_tables(self) -> list[str]:
        """Return the tables that were others earlier."""
        with self._copied(self.made.data), self._database() as database:
            return [
                table
                for table in sorted({row[0] for row in database.execute(_TABLES)})
                if _rows(database, "main", table) != _rows(database, "earlier", table)
            ]


def _rows(database: sqlite3.Connection, schema: str, table: str) -> set[tuple[Any, ...]]:
    return set(database.execute(f"SELECT * FROM {schema}.{table}"))  # noqa: S608  from the schema


def _script(*statements: tuple[str, tuple[object, ...]]) -> Edit:
    def edit(database: sqlite3.Connection) -> None:
        for statement, parameters in statements:
            database.execute(statement, parameters)

    return edit


def _others(values: list[Any]) -> list[Any]:
    """Return what to put in a value's place: another row's, one a little different, nothing."""
    some = values[0] if values else None
    if some is None and len(values) > 1:
        some = values[1]
    if isinstance(some, int):
        return [*values[1:2], some + 1, 0, None]
    if isinstance(some, bytes):
        return [*values[1:2], bytes([some[0] ^ 1]) + some[1:], some[:-1], None]
    if isinstance(some, str):
        return [*values[1:2], some[:-1] + ("x" if some[-1:] != "x" else "y"), "", None]
    return [1, "x"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."  # noqa: PLR2004  for a line


@contextmanager
def _binds_nothing() -> Iterator[None]:
    """Seal and open with the same associated data everywhere."""
    inside = vars(envelope)
    kept = inside["bind"]
    inside["bind"] = lambda *_: b""
    try:
        yield
    finally:
        inside["bind"] = kept
