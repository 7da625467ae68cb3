"""What a migration would do, told before it does it: every statement, what it means, and its rows.

The revisions run against a recorder instead of a database, so nothing is locked and nothing
changes. The one thing you would get wrong: what hurts a server that runs meanwhile. What only adds
(expand) does not; what takes away (contract) stops servers of the version before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

_MIGRATIONS = Path(__file__).parent

EXPAND, FILL, CONTRACT = "expand", "fill", "contract"

_KINDS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"CREATE TABLE (\w+)"), EXPAND, "a new table"),
    (re.compile(r"CREATE (?:UNIQUE )?INDEX \w+\s+ON (\w+)"), EXPAND, "reads the table once"),
    (re.compile(r"CREATE FUNCTION ([\w.]+)"), EXPAND, "a new function"),
    (re.compile(r"ALTER TABLE (\w+) ADD COLUMN"), EXPAND, "a column that running servers ignore"),
    (re.compile(r"(?:UPDATE|INSERT INTO) (\w+)"), FILL, "writes rows"),
    (re.compile(r"DROP INDEX ()\w+"), EXPAND, "made anew by what follows; reads are slower until"),
)
_OTHERWISE = "servers of the version before may stop working: stop them first"


class Step(NamedTuple):
    """One statement to come."""

    statement: str
    """On one line."""

    kind: str
    """expand, fill or contract."""

    effect: str
    table: str
    """Whose rows it reads or writes; "" for none that is there yet."""


class Revision(NamedTuple):
    """One revision to come."""

    number: str
    title: str
    steps: tuple[Step, ...]


def revisions_after(
    found: str | None, dialect: str, translate: Callable[[str], str] = str
) -> list[Revision]:
    """Return what would run on a store of revision `found` (None: on none), oldest first.

    `dialect` is sqlite or postgresql; `translate` is what the database's own form is made by.
    """
    # Imported here: they cost a quarter of a second that other commands need not wait for.
    from alembic.config import Config  # noqa: PLC0415  see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415  see above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())[::-1]
    return [
        Revision(script.revision, script.doc, _steps(script.module, dialect, translate))
        for script in scripts
        if found is None or script.revision > found
    ]


def tables_of(revisions: Iterable[Revision]) -> set[str]:
    """Return the tables whose rows matter and that no revision to come makes."""
    steps = [step for revision in revisions for step in revision.steps]
    made = {step.table for step in steps if step.statement.startswith("CREATE TABLE")}
    return {step.table for step in steps} - made - {""}


def _steps(module: Any, dialect: str, translate: Callable[[str], str]) -> tuple[Step, ...]:
    from alembic.operations import Operations  # noqa: PLC0415  see revisions_after
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  see revisions_after
    from sqlalchemy.dialects import registry  # noqa: PLC0415  see revisions_after

    recorder = _Recorder(registry.load(dialect)())
    context = MigrationContext(recorder.dialect, recorder, {})  # type: ignore[arg-type]  # all that revisions use
    with Operations.context(context):
        module.upgrade()
    return tuple(_judged(translate(statement)) for statement in recorder.statements)


class _Recorder:
    """Stands where a connection would, and remembers what it is given."""

    def __init__(self, dialect: Any) -> None:
        self.dialect = dialect
        self.statements: list[str] = []

    def execute(self, statement: Any, *_: object, **__: object) -> None:
        self.statements.append(str(statement))

    def exec_driver_sql(self, statement: str, *_: object) -> None:
        self.statements.append(statement)


def _judged(statement: str) -> Step:
    line = " ".join(re.sub(r"--.*", "", statement).split())
    for pattern, kind, effect in _KINDS:
        if found := pattern.match(line):
            return Step(line, kind, effect, found[1])
    return Step(line, CONTRACT, _OTHERWISE, "")
