"""regcred audit."""

from __future__ import annotations

import itertools
import re
from typing import Annotated
from uuid import UUID

import typer

from regcred.clients.api import RegcredClient
from regcred.clients.cli.options import Limit, Output, Project, moment
from regcred.clients.cli.output import Format, Noun, show_list
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.problems import ApiProblem

app = typer.Typer(help="The trail of what was done and handed out.", no_args_is_help=True)

_ID = re.compile(r"[0-9A-Za-z]{12}")
_GONE = "A deleted key's id stands in `regcred audit ls --action key.created`: give that to --key."
_SERVICE = str(UUID(int=0))
"""Where the API has what happened in no project."""

_ROW = Noun(
    lambda row: row["number"],
    {
        "number": lambda row: row.get("number"),
        "at": lambda row: row.get("at"),
        "action": lambda row: row.get("action"),
        "principal": lambda row: row.get("principal"),
        "target": lambda row: row.get("target"),
        "count": lambda row: row.get("count"),
        "details": lambda row: row.get("details"),
    },
)


@app.command()
def ls(
    action: Annotated[str | None, typer.Option(help="Such as credential.revealed.")] = None,
    principal: Annotated[str | None, typer.Option(help="Who, such as key:ID.")] = None,
    target: Annotated[str | None, typer.Option(help="The id of what it happened to.")] = None,
    credential: Annotated[
        str | None, typer.Option(help="What happened to this login, by its name or id.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="What this key did, by its name or id.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    limit: Limit = 50,
    project: Project = None,
    of_service: Annotated[
        bool, typer.Option("--service", help="Of no project: what happened to the service itself.")
    ] = False,
    output: Output = Format.table,
) -> None:
    """List audit rows, newest first.

    Names are of what there is now; what was deleted is found by its id: a key by --key,
    everything else by --target.
    """
    for one, other, both in (
        (credential, target, "--credential and --target"),
        (key, principal, "--key and --principal"),
    ):
        if one is not None and other is not None:
            raise typer.BadParameter(f"{both} both say of what: give one of them")
    if of_service and any(one is not None for one in (credential, key, project)):
        raise typer.BadParameter("--service is of no project, login or key: --principal may narrow")
    filters = {
        "action": action,
        "principal": principal,
        "target": target,
        "since": moment(since, "--since"),
        "until": moment(until, "--until"),
    }
    with service(_SERVICE if of_service else project) as api:
        if credential is not None:
            filters["target"] = api.credential(credential)["id"]
        if key is not None:
            filters["principal"] = f"key:{_key_id(api, key)}"
        show_list(itertools.islice(api.audit(filters), limit), _ROW, output)


def _key_id(api: RegcredClient, key: str) -> str:
    """Return a key's id, which is known as one also when the key is gone."""
    try:
        return str(api.find_key(key)["id"])
    except ApiProblem as problem:
        if problem.slug != "key-not-found":
            raise
        if not _ID.fullmatch(key):
            stop(Exit.NOT_FOUND, f"Error: {problem}", _GONE)
    say(f"No key is named {key} now; if it is a deleted key's id, this is what that key did:")
    return key
