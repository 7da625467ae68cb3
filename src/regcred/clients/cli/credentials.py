"""regcred credential: store logins, look at them, have their registries judge them."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer

from regcred.clients.api import RegcredClient
from regcred.clients.cli import asking
from regcred.clients.cli.fetches import show_with_fetches
from regcred.clients.cli.following import Every, until_interrupted
from regcred.clients.cli.options import (
    Expires,
    Force,
    Limit,
    NoInput,
    Output,
    Project,
    Settings,
    Yes,
    moment,
    moment_or_ago,
    moment_or_span,
    pairs,
)
from regcred.clients.cli.output import Format, Json, Noun, show_list, show_one
from regcred.clients.cli.session import service
from regcred.clients.cli.verdicts import VERDICT, exit_for, later_verdicts, show_verdict
from regcred.clients.cli.words import say

app = typer.Typer(help="The stored registry logins.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A credential's name or id.")]
Registry = Annotated[
    str | None,
    typer.Option("--registry", "-r", metavar="HOST[:PORT][/PATH]", help="Where it logs in to."),
]
Username = Annotated[str | None, typer.Option("--username", "-u", help="The registry's user.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Provider = Annotated[str | None, typer.Option(help="The registry's family, such as docker_hub.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label. Repeatable.")
]
Description = Annotated[str | None, typer.Option(help="What it is for.")]
Verify = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Ask the registry about it afterwards.")
]
Image = Annotated[
    str | None, typer.Option("--image", help="An image that it must be able to pull.")
]


def _verdict(credential: Json) -> object:
    verdict = credential.get("verdict")
    if not isinstance(verdict, dict):
        return None
    withheld = " (withheld)" if credential.get("withheld") else ""
    return f"{verdict.get('verdict')}{withheld}"


_CREDENTIAL = Noun(
    lambda credential: credential["name"],
    {
        "name": lambda credential: credential.get("name"),
        "registry": lambda credential: credential.get("registry_url"),
        "username": lambda credential: credential.get("username"),
        "provider": lambda credential: credential.get("provider"),
        "verdict": _verdict,
        "expires": lambda credential: credential.get("expires_at"),
        "last used": lambda credential: credential.get("last_used_at") or "never",
    },
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its name, unique in the project.")],
    registry: Registry = None,
    username: Annotated[
        str, typer.Option("--username", "-u", help="The registry's user.", show_default=False)
    ] = ...,  # type: ignore[assignment]  # typer's mark of a required option
    password_stdin: PasswordStdin = False,
    provider: Provider = None,
    setting: Settings = None,
    label: Labels = None,
    description: Description = None,
    expires_at: Expires = None,
    verify_it: Verify = True,
    image: Image = None,
    no_input: NoInput = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Store a login and have its registry judge it.

    The password is asked for, or read with --password-stdin.
    """
    wanted = _fields(registry, username, provider, setting, label, description, expires_at)
    wanted["name"] = name
    wanted["password"] = _password(password_stdin, no_input)
    with service(project) as api:
        stored = api.create_credential(wanted)
        say(f"Stored {stored.get('name')}.")
        _judge_and_show(api, stored, image, output, verify_it)


@app.command()
def replace(
    name: Name,
    registry: Registry = None,
    username: Username = None,
    password_stdin: PasswordStdin = False,
    provider: Provider = None,
    setting: Settings = None,
    label: Labels = None,
    description: Description = None,
    expires_at: Expires = None,
    verify_it: Verify = True,
    image: Image = None,
    no_input: NoInput = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Replace a login's password, and what else is given; the id and the rest stay."""
    changes = _fields(registry, username, provider, setting, label, description, expires_at)
    changes["password"] = _password(password_stdin, no_input)
    with service(project) as api:
        found = api.credential(name)
        stored = api.update_credential(found["id"], changes, found.get("version"))
        say(f"Replaced {stored.get('name')}.")
        _judge_and_show(api, stored, image, output, verify_it)


@app.command()
def ls(
    registry: Registry = None,
    username: Username = None,
    provider: Provider = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME[=VALUE]", help="Has this label.")
    ] = None,
    verdict: Annotated[str | None, typer.Option(help="The last verdict, such as rejected.")] = None,
    expiring: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Ends within this time, such as 14d, or has ended."),
    ] = None,
    expiring_before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Ends before this time.")
    ] = None,
    unused: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Not handed out for this long, such as 30d, or never."),
    ] = None,
    unused_since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not handed out since this time, or never.")
    ] = None,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """List logins, never a password."""
    filters = {
        "registry": registry,
        "username": username,
        "provider": provider,
        "label": label,
        "verdict": verdict,
        "expiring_before": moment_or_span(
            ("--expiring-before", expiring_before), ("--expiring", expiring), 1
        ),
        "unused_since": moment_or_span(("--unused-since", unused_since), ("--unused", unused), -1),
    }
    with service(project) as api:
        show_list(api.credentials(filters), _CREDENTIAL, output)


@app.command()
def show(
    name: Name,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="List everybody who fetched it then or later (or 2h): whom a leak concerns.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Without --since: list at most this many fetches.")
    ] = 20,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Show one login without its password, and who fetched it."""
    since = moment_or_ago(since, "--since")
    with service(project) as api:
        found = api.credential(name)
        if output is Format.name:
            show_one(found, _CREDENTIAL, output)
        else:
            show_with_fetches(api, found, since, limit, output)


@app.command()
def verify(
    name: Name,
    image: Image = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Then show each verdict that the service comes to, until interrupted."
        ),
    ] = False,
    interval: Every = 5.0,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Ask the registry about a login, and say what it answers and what to do.

    --watch asks the registry nothing more: it looks at what the service finds out by itself.
    """
    with service(project) as api:
        verdict = api.verify(name, image)
        show_verdict(verdict, output)
        with until_interrupted:
            for later in later_verdicts(api, name, verdict, interval) if watch else ():
                verdict = later
                show_verdict(verdict, output)
    exit_for(verdict)


@app.command()
def history(
    name: Name, limit: Limit = 20, project: Project = None, output: Output = Format.table
) -> None:
    """List a login's verdicts, newest first."""
    with service(project) as api:
        show_list(itertools.islice(api.verdicts(name), limit), VERDICT, output)


@app.command()
def rm(
    name: Name,
    force: Force = False,
    yes: Yes = False,
    no_input: NoInput = False,
    project: Project = None,
) -> None:
    """Delete a login."""
    with service(project) as api:
        found = api.credential(name)
        label = f"{found['name']} ({found.get('username')} at {found.get('registry_url')})"
        asking.confirm(f"Delete {label}?", yes=yes, no_input=no_input)
        api.delete_credential(found["id"], found.get("version"), force=force)
        say(f"Deleted {found['name']}.")


def _password(password_stdin: bool, no_input: bool) -> str:
    return asking.secret(
        "password", "--password-stdin", from_stdin=password_stdin, no_input=no_input
    )


def _fields(
    registry: str | None,
    username: str | None,
    provider: str | None,
    setting: list[str] | None,
    label: list[str] | None,
    description: str | None,
    expires_at: str | None,
) -> Json:
    given = {
        "registry_url": registry,
        "username": username,
        "provider": provider,
        "settings": pairs(setting, "--setting") or None,
        "labels": pairs(label, "--label") or None,
        "description": description,
        "expires_at": moment(expires_at, "--expires-at"),
    }
    return {name: value for name, value in given.items() if value is not None}


def _judge_and_show(
    api: RegcredClient, stored: Json, image: str | None, output: Format, verify_it: bool
) -> None:
    """Print what was stored, or for a person only the verdict. Raise typer.Exit if it is bad."""
    if not verify_it:
        show_one(stored, _CREDENTIAL, output)
        return
    verdict = api.verify(stored["id"], image)
    if output is Format.table:
        show_verdict(verdict, output)
    else:
        summary = {name: verdict.get(name) for name in ("verdict", "checked_at")}
        show_one({**stored, "verdict": summary, "verification": verdict}, _CREDENTIAL, output)
    exit_for(verdict)
