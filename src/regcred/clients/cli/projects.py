"""regcred project."""

from __future__ import annotations

from typing import Annotated

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.options import NoInput, Output, Yes, span
from regcred.clients.cli.output import Format, Json, Noun, show_list, show_one
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, stop

app = typer.Typer(help="The tenants of the service.", no_args_is_help=True)

_PROJECT = Noun(
    lambda project: project["number"],
    {
        "number": lambda project: project.get("number"),
        "name": lambda project: project.get("name"),
        "id": lambda project: project.get("id"),
        "recheck every": lambda project: _interval(project.get("recheck_every")),
        "created": lambda project: project.get("created_at"),
    },
)


@app.command()
def ls(output: Output = Format.table) -> None:
    """List the projects that this key reaches."""
    with service() as api:
        show_list(api.projects(), _PROJECT, output)


@app.command()
def show(
    project: Annotated[str, typer.Argument(help="Number or id; the key's own if left out.")] = "-",
    output: Output = Format.table,
) -> None:
    """Show one project."""
    with service() as api:
        show_one(api.project(project), _PROJECT, output)


@app.command()
def create(name: str, output: Output = Format.table) -> None:
    """Make a project (operators)."""
    with service() as api:
        show_one(api.create_project(name), _PROJECT, output)


@app.command("set")
def set_(
    project: Annotated[str, typer.Argument(help="Number or id; the key's own if left out.")] = "-",
    recheck_every: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Between two automatic checks of a login: 900 to 2592000, or such as 15m, 12h, "
            "7d; off for none.",
        ),
    ] = None,
    output: Output = Format.table,
) -> None:
    """Change a project's settings (admins)."""
    changes: Json = {}
    if recheck_every is not None:
        changes["recheck_every"] = (
            0 if recheck_every == "off" else span(recheck_every, "--recheck-every")
        )
    if not changes:
        stop(Exit.USAGE, "say what to change: --recheck-every")
    with service() as api:
        found = api.project(project)
        changed = api.update_project(found["id"], changes, found.get("version"))
        show_one(changed, _PROJECT, output)


@app.command()
def rm(
    project: Annotated[str, typer.Argument(help="Number or id.")],
    yes: Yes = False,
    no_input: NoInput = False,
) -> None:
    """Delete a project that holds no credentials (operators)."""
    with service() as api:
        found = api.project(project)
        label = f"project {found['number']} ({found['name']})"
        asking.confirm(f"Delete {label}?", yes=yes, no_input=no_input)
        api.delete_project(found["id"], found.get("version"))
        say(f"Deleted {label}.")


def _interval(seconds: object) -> object:
    return "off" if seconds == 0 else f"{seconds} s"
