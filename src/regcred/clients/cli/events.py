"""regcred events: what there is to hear of the logins."""

from __future__ import annotations

import itertools
import json
from typing import Annotated

import typer

from regcred.clients.api import RegcredClient
from regcred.clients.cli.following import Every, every_so_often, until_interrupted
from regcred.clients.cli.options import Limit, Output, Project
from regcred.clients.cli.output import Format, Json, Noun, cell, safe_json, show_list
from regcred.clients.cli.session import service

_EVENT = Noun(
    lambda event: event["number"],
    {
        "number": lambda event: event.get("number"),
        "at": lambda event: event.get("at"),
        "kind": lambda event: event.get("kind"),
        "credential": lambda event: _named(event).get("name"),
        "details": lambda event: event.get("details"),
    },
)


def events(
    kind: Annotated[
        str | None,
        typer.Option(
            help="verdict.changed, login.withheld, expiry.near, allowance.low or exchange.failed."
        ),
    ] = None,
    credential: Annotated[
        str | None, typer.Option(help="A credential's name or id; also the id of a deleted one.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until interrupted.")
    ] = False,
    interval: Every = 5.0,
    limit: Limit = 50,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """List what there is to hear of: logins going bad or about to end. Newest first.

    With --follow oldest first, then each as it comes; as JSON that is one object a line.
    """
    filters = {"kind": kind, "credential": credential}
    with service(project) as api:
        newest = list(itertools.islice(api.events(filters), limit))
        if not follow:
            show_list(newest, _EVENT, output)
            return
        _follow(api, filters, newest, interval, output)


def _follow(
    api: RegcredClient,
    filters: dict[str, str | None],
    newest: list[Json],
    interval: float,
    output: Format,
) -> None:
    last = 0

    def show(newest_first: list[Json]) -> None:
        nonlocal last
        for event in reversed(newest_first):
            last = int(event["number"])
            _print(event, output)

    def look() -> list[Json]:
        newest = api.events(filters)
        return list(itertools.takewhile(lambda event: int(event["number"]) > last, newest))

    with until_interrupted:
        show(newest)
        for fresh in every_so_often(look, interval):
            show(fresh)


def _print(event: Json, output: Format) -> None:
    if output in {Format.json, Format.yaml}:
        # One object a line is YAML too, and a stream has no other end.
        typer.echo(safe_json(json.dumps(event, ensure_ascii=False)))
    elif output is Format.name:
        typer.echo(cell(_EVENT.name(event)))
    else:
        columns = [cell(show(event)) for show in _EVENT.columns.values()]
        typer.echo("  ".join(columns))


def _named(event: Json) -> Json:
    named = event.get("credential")
    return named if isinstance(named, dict) else {}
