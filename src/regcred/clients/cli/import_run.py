"""One import from its plan to its last row, whatever the logins came from."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import typer

from regcred.clients.api import RegcredClient
from regcred.clients.cli.output import Format, Json, Noun, show_list
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say
from regcred.clients.importing.found import Found, Skipped
from regcred.clients.importing.plan import UNTYPED, Choices, Row, plan
from regcred.clients.importing.reading_back import ReadingBack
from regcred.clients.importing.storing import check, store

_SHOWN_SOURCES = 2


@dataclass(frozen=True, slots=True)
class Run:
    """What the caller chose."""

    apply: bool
    verify: bool
    update: bool
    compare: bool
    prefix: str
    labels: Mapping[str, str]
    no_input: bool


Ask = Callable[[Found], Found | Skipped]
"""Has a person complete a login that has no password."""


def bring(
    entries: Iterable[Found | Skipped],
    run: Run,
    project: str | None,
    output: Format,
    ask: Ask | None = None,
) -> None:
    """Show the plan, and carry it out if somebody says so. Raise typer.Exit."""
    with service(project) as api:
        entries = list(entries)
        rows = _plan(api, entries, run)
        if ask is not None:
            wanted_of = {row.name for row in rows if row.why == UNTYPED}
            entries = [
                ask(one) if isinstance(one, Found) and one.name in wanted_of else one
                for one in entries
            ]
            rows = _plan(api, entries, run)
        asked = not run.apply and not run.no_input and sys.stdin.isatty()
        if run.verify and not run.apply and not asked:
            for row in rows:
                check(api, row, say)
        if not run.apply or output is Format.table:
            show_list([row.shown() for row in rows], _ROW, output)
            _summarise(rows)
        wanted = [row for row in rows if row.to_store]
        if wanted and (run.apply or (asked and _confirmed(len(wanted)))):
            _carry_out(api, wanted, run)
        elif wanted:
            say("Nothing was stored: --apply stores it.")
        if run.apply and output is not Format.table:
            show_list([row.shown() for row in rows], _ROW, output)
    _exit_for(rows)


def _plan(api: RegcredClient, entries: Iterable[Found | Skipped], run: Run) -> list[Row]:
    """Return the rows, compared with what is stored."""
    read_back = ReadingBack(api) if run.compare else None
    choices = Choices(run.prefix, run.update, run.verify, read_back)
    return plan(entries, list(api.credentials({})), choices)


def _confirmed(count: int) -> bool:
    return typer.confirm(f"Store {count}?", err=True)


def _carry_out(api: RegcredClient, wanted: Sequence[Row], run: Run) -> None:
    try:
        for row in wanted:
            store(api, row, run.labels, say, proven=run.verify)
            say(f"{row.name}: {row.result}" + (f": {row.why}" if _went_wrong(row) else ""))
    except KeyboardInterrupt:
        raise typer.Exit(Exit.FAILED) from None
    finally:
        if left := sum(not row.result for row in wanted):
            say(f"{left} of {len(wanted)} were not stored: the same command goes on with them.")


def _went_wrong(row: Row) -> bool:
    return row.result in {"failed", "refused"}


def _summarise(rows: Sequence[Row]) -> None:
    counts = Counter(row.result or str(row.action) for row in rows)
    say(", ".join(f"{count} {what}" for what, count in counts.items()) or "There is nothing in it.")


def _exit_for(rows: Sequence[Row]) -> None:
    """Return when all went well. Raise typer.Exit otherwise."""
    results = {row.result for row in rows}
    if "failed" in results or any(row.broken for row in rows):
        raise typer.Exit(Exit.FAILED)
    if "refused" in results:
        raise typer.Exit(Exit.VERDICT)


def _from(row: Json) -> str:
    sources = [
        f"{one['where']}: {one['key']}" if one["key"] else one["where"] for one in row["sources"]
    ]
    more = len(sources) - _SHOWN_SOURCES
    shown = ", ".join(sources[:_SHOWN_SOURCES])
    return f"{shown} and {more} more" if more > 0 else shown


_ROW = Noun(
    lambda row: row["name"] or row["registry"],
    {
        "what": lambda row: row["result"] or row["action"],
        "name": lambda row: row["name"],
        "registry": lambda row: row["registry"],
        "username": lambda row: row["username"],
        "from": _from,
        "why": lambda row: row["why"],
    },
)
