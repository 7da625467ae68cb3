"""Options that several commands share, so that they are called and explained alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from regcred.clients.cli.output import Format
from regcred.clients.cli.words import Exit, stop

Output = Annotated[Format, typer.Option("--output", "-o", help="How data is printed.")]
Project = Annotated[
    str | None,
    typer.Option("--project", "-p", help="A project's number or id, instead of the usual one."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--setting", metavar="NAME=VALUE", help="A provider's setting. Repeatable."),
]
Force = Annotated[bool, typer.Option("--force", help="Delete what uses it along with it.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Print at most this many.")]
Expires = Annotated[
    str | None,
    typer.Option("--expires-at", metavar="TIME", help="RFC 3339, such as 2027-01-31T00:00:00Z."),
]


def pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    """Return `k=v` options as a map. Exit with a usage error for anything else."""
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            # The text may hold what belongs nowhere: it is not said back.
            stop(Exit.USAGE, f"{option} is written NAME=VALUE")
        found[name] = value
    return found


def moment(given: str | None, option: str) -> str | None:
    """Return a time as the API takes it. Exit with a usage error when it is none."""
    if given is None:
        return None
    try:
        read = datetime.fromisoformat(given)
    except ValueError:
        stop(Exit.USAGE, f"{option} is a time such as 2027-01-31T00:00:00Z")
    if read.tzinfo is None:
        read = read.replace(tzinfo=UTC)
    return read.astimezone(UTC).isoformat().replace("+00:00", "Z")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def span(given: str, option: str) -> int:
    """Return a span of time in seconds. Exit with a usage error for anything else."""
    digits, unit = (given[:-1], given[-1:]) if given[-1:] in _UNITS else (given, "s")
    if not (digits.isascii() and digits.isdigit()):
        stop(Exit.USAGE, f"{option} is seconds, or such as 15m, 12h, 7d")
    return int(digits) * _UNITS[unit]


def moment_or_ago(given: str | None, option: str) -> str | None:
    """Return a time, or how long ago it was (`2h`), as the API takes it.

    Exit with a usage error when it is neither.
    """
    if given and given[-1] in _UNITS and given[:-1].isdigit():
        return moment_or_span((option, None), (option, given), -1)
    return moment(given, option)


def moment_or_span(
    at: tuple[str, str | None], away: tuple[str, str | None], sign: int
) -> str | None:
    """Return the time that one of two options names: itself, or by how long it is away from now.

    Each is (option, what was given). Exit with a usage error for both, or for no time.
    """
    if away[1] is None:
        return moment(at[1], at[0])
    if at[1] is not None:
        stop(Exit.USAGE, f"give one of {away[0]} and {at[0]}")
    try:
        then = datetime.now(UTC) + timedelta(seconds=sign * span(away[1], away[0]))
    except OverflowError:
        stop(Exit.USAGE, f"{away[0]} is too long")
    return moment(then.isoformat(timespec="seconds"), away[0])
