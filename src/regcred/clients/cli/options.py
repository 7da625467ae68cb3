"""Options that several commands share, so that they are called and explained alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
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
