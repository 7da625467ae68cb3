"""login, logout, whoami."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.options import NoInput, Output
from regcred.clients.cli.output import Format, Noun, show_one
from regcred.clients.cli.session import service, speaking_to
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.config import ClientConfig, ConfigRefused, config_path, forget, save

_WHOAMI = Noun(lambda whoami: whoami["principal"], {})


def login(
    url: Annotated[
        str, typer.Option("--url", envvar="REGCRED_URL", help="The service, https://HOST[:PORT].")
    ],
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input.")
    ] = False,
    project: Annotated[
        str, typer.Option("--project", "-p", help="A project's number or id; - is the key's own.")
    ] = "-",
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file", envvar="REGCRED_CA_FILE", help="The CA of the service's certificate."
        ),
    ] = None,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Allow http to a host that is not this machine.")
    ] = False,
    no_input: NoInput = False,
) -> None:
    """Keep a key for the service, once the service knows it."""
    key = asking.secret("key", "--key-stdin", from_stdin=key_stdin, no_input=no_input).strip()
    ca = "" if ca_file is None else str(ca_file.absolute())
    try:
        config = ClientConfig(url.rstrip("/"), key, project, ca, insecure_http)
    except ConfigRefused as why:
        stop(Exit.USAGE, f"Error: {why}")
    if not (key.isascii() and key.isprintable() and " " not in key):
        stop(Exit.USAGE, "Error: that is not a regcred key: it begins with rgc_ and is one word")
    with speaking_to(config) as api:
        whoami = api.whoami()
        if project != "-":
            api.project()
    path = config_path(os.environ)
    try:
        save(path, config)
    except (ConfigRefused, OSError) as why:
        stop(Exit.FAILED, f"Error: {path} was not written: {why}")
    say(f"Logged in to {config.url} as {_name(whoami)}; the key is in {path}")


def logout() -> None:
    """Forget the key on this machine. It stays valid until somebody deletes it."""
    path = config_path(os.environ)
    try:
        gone = forget(path)
    except OSError as why:
        stop(Exit.FAILED, f"Error: {path} was not deleted: {why.strerror}")
    say(f"Deleted {path}. `regcred key rm` revokes a key." if gone else "There was no login.")


def whoami(output: Output = Format.table) -> None:
    """Show whose key this is and what it may do."""
    with service() as api:
        show_one(api.whoami(), _WHOAMI, output)


def _name(whoami: dict[str, object]) -> str:
    key = whoami.get("key")
    name = key.get("name") if isinstance(key, dict) else None
    return f"{name or whoami.get('principal')} ({whoami.get('role')})"
