"""regcred key."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.options import Expires, NoInput, Output, Project, Yes, moment
from regcred.clients.cli.output import Format, Noun, show_list, show_one, structure
from regcred.clients.cli.session import service
from regcred.clients.cli.words import say, shown

app = typer.Typer(help="The keys with which programs call the service.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(metavar="KEY", help="A key's id, or its name.")]

_KEY = Noun(
    lambda key: key["id"],
    {
        "id": lambda key: key.get("id"),
        "name": lambda key: key.get("name"),
        "role": lambda key: key.get("role"),
        "images": lambda key: key.get("image_patterns"),
        "disabled": lambda key: key.get("disabled"),
        "expires": lambda key: key.get("expires_at"),
        "last used": lambda key: key.get("last_used_at"),
    },
)


class Role(StrEnum):
    """What a key is for."""

    viewer = "viewer"
    puller = "puller"
    editor = "editor"
    admin = "admin"


@app.command()
def ls(project: Project = None, output: Output = Format.table) -> None:
    """List keys; none shows its secret."""
    with service(project) as api:
        show_list(api.keys(), _KEY, output)


@app.command()
def show(key: Key, project: Project = None, output: Output = Format.table) -> None:
    """Show one key without its secret."""
    with service(project) as api:
        show_one(api.find_key(key), _KEY, output)


@app.command()
def create(
    name: str,
    role: Annotated[Role, typer.Option(help="What the key may do.")] = Role.puller,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="PATTERN", help="Narrow it to images. Repeatable."),
    ] = None,
    expires_at: Expires = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="Let it reach every project (operators).")
    ] = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Make a key and print it, this once."""
    wanted: dict[str, object] = {"name": name, "role": role.value}
    if image:
        wanted["image_patterns"] = image
    if expires_at:
        wanted["expires_at"] = moment(expires_at, "--expires-at")
    if operator:
        wanted["operator"] = True
    with service(project) as api:
        made = api.create_key(wanted)
    if output in {Format.json, Format.yaml}:
        structure(made, output)
    else:
        typer.echo(shown(str(made.get("key"))))
    say(f"Key {made.get('id')} ({role.value}) is shown this once: keep it now.")


@app.command()
def disable(key: Key, project: Project = None) -> None:
    """Stop a key until it is enabled again."""
    _set_disabled(key, project, True)


@app.command()
def enable(key: Key, project: Project = None) -> None:
    """Let a disabled key work again."""
    _set_disabled(key, project, False)


@app.command()
def rm(key: Key, yes: Yes = False, no_input: NoInput = False, project: Project = None) -> None:
    """Revoke a key: the next request with it fails."""
    with service(project) as api:
        found = api.find_key(key)
        label = f"key {found['id']} ({found['name']})"
        asking.confirm(f"Revoke {label}?", yes=yes, no_input=no_input)
        api.delete_key(found)
        say(f"Revoked {label}.")


def _set_disabled(key: str, project: str | None, disabled: bool) -> None:
    with service(project) as api:
        found = api.update_key(api.find_key(key), {"disabled": disabled})
        say(f"Key {found['id']} ({found['name']}) is {'disabled' if disabled else 'enabled'}.")
