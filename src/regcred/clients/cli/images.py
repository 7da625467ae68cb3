"""explain and resolve: which login an image gets, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from regcred.clients.cli.options import Output, Project
from regcred.clients.cli.output import Format, Json, Noun, cell, record, show_list, structure, table
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, stop

_SAME_AS = {"buildah": "podman", "skopeo": "podman"}
"""Programs that pull just as another does, which explain tells of."""

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="Such as ghcr.io/team/app:1.")]

_LOGIN = Noun(
    lambda login: login["credential"]["name"],
    {
        "credential": lambda login: login["credential"].get("name"),
        "registry": lambda login: login.get("registry"),
        "username": lambda login: login.get("username"),
        "expires": lambda login: login.get("expires_at"),
    },
)
_REVEALED = Noun(_LOGIN.name, {**_LOGIN.columns, "password": lambda login: login.get("password")})


def explain(
    image: Image,
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this client, such as kubelet; may be repeated."),
    ] = None,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Say which login an image would get, by which rule, and what each client would do."""
    with service(project) as api:
        explained = api.explain(image)
    candidates = explained.get("candidates", [])
    if client:
        explained = {**explained, "clients": _only(explained.get("clients", {}), client)}
    if output in {Format.json, Format.yaml}:
        structure(explained, output)
    elif output is Format.name:
        for candidate in candidates:
            typer.echo(cell(_name(candidate)))
    else:
        _tell(explained, candidates)


def resolve(
    image: Image,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print the passwords too; it is audited.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Include logins that their registry turned away.")
    ] = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Show the logins for an image, in order. Asking is audited either way."""
    with service(project) as api:
        resolved = api.resolve(image, force=force)
    logins = resolved.get("logins", [])
    if not reveal:
        logins = [{n: v for n, v in login.items() if n != "password"} for login in logins]
    if output in {Format.json, Format.yaml}:
        structure({**resolved, "logins": logins}, output)
    else:
        show_list(logins, _REVEALED if reveal else _LOGIN, output)
    withheld = resolved.get("withheld", [])
    for one in withheld:
        if reason := one.get("reason"):
            say(f"{_name(one)} has no login now ({one.get('verdict')}): {reason}")
        else:
            say(f"{_name(one)} is withheld: its registry's verdict is {one.get('verdict')}.")
    if not logins:
        # The words are about what was asked for; the codes are for scripts.
        code = Exit.VERDICT if withheld else Exit.NOT_FOUND
        stop(code, "No login for this image: `regcred explain IMAGE` says why.")


def _tell(explained: Json, candidates: list[Json]) -> None:
    record(explained.get("reference", {}))
    typer.echo()
    if not candidates:
        typer.echo("No login is for this registry.")
    table(
        ["rank", "credential", "rule", "withheld"],
        [
            [
                cell(value)
                for value in (one.get("rank"), _name(one), one.get("rule"), one.get("withheld"))
            ]
            for one in candidates
        ],
    )
    for one in candidates:
        if reason := one.get("reason"):
            typer.echo(f"{cell(_name(one))} has no login now: {cell(reason)}")
    for name, does in explained.get("clients", {}).items():
        typer.echo()
        typer.echo(f"{cell(name)} {_does(does)}")
        for place, one in enumerate(does.get("tried", []), start=1):
            typer.echo(f"  {place}. {cell(_name(one))} as {cell(one.get('as'))}")
        for note in does.get("notes", []):
            typer.echo(f"  - {cell(note)}")


def _does(does: Json) -> str:
    tried, anonymous = does.get("tried", []), does.get("anonymous")
    if not tried:
        return "pulls anonymously" if anonymous else "does not pull: it has no login"
    logins = "this login" if len(tried) == 1 else "these logins, in this order"
    return f"tries {logins}" + (", and then pulls anonymously" if anonymous else "")


def _only(clients: Json, named: list[str]) -> Json:
    wanted = [_SAME_AS.get(name, name) for name in named]
    if unknown := [name for name in wanted if name not in clients]:
        known = ", ".join(clients)
        stop(Exit.USAGE, f"No client is called {cell(unknown[0])}: there are {cell(known)}.")
    return {name: clients[name] for name in clients if name in wanted}


def _name(about: Json) -> object:
    credential = about.get("credential")
    return credential.get("name") if isinstance(credential, dict) else credential
