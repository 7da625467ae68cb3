"""regcred docker: put the credential helper where docker, podman and skopeo find it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from regcred.clients import assembly
from regcred.clients.cli.words import Exit, say, stop

app = typer.Typer(help="Pull with stored logins on this machine.", no_args_is_help=True)

PROGRAM = assembly.DOCKER_HELPER.name
HUB_KEYS = ("https://index.docker.io/v1/", "docker.io")
"""docker and crane know Docker Hub by the first, podman and skopeo by the second."""

_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io", *HUB_KEYS}
_INTERPRETER = Path("/usr/bin/python3")
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-:[]_")


@app.callback()
def root() -> None:
    """Pull with stored logins on this machine."""


@app.command()
def install(
    bin_dir: Annotated[
        Path | None,
        typer.Option(help="Where to put the helper; ~/.local/bin, for root /usr/local/bin."),
    ] = None,
    registry: Annotated[
        list[str] | None,
        typer.Option("--registry", "-r", metavar="HOST[:PORT]", help="Ask for it. Repeatable."),
    ] = None,
) -> None:
    """Put the helper in place and print the lines that make docker and podman ask it."""
    keys = [key for name in registry or () for key in helper_keys(name)]
    if not _INTERPRETER.exists():
        stop(Exit.FAILED, f"Error: the helper is run by {_INTERPRETER}, which is not there")
    folder = bin_dir or _usual_folder()
    try:
        placed = assembly.place(assembly.DOCKER_HELPER, folder.expanduser().absolute())
    except OSError as why:
        stop(Exit.FAILED, f"Error: {folder} was not written: {why.strerror}", "Try --bin-dir DIR.")
    say(f"Placed {placed}")
    if shutil.which(PROGRAM) is None:
        say(f"{placed.parent} is not on PATH: add it, or docker will not find the helper.")
    if not keys:
        say("Name registries with --registry to see the lines that docker and podman need.")
        return
    say("Put this into ~/.docker/config.json (docker, crane) and, for podman, buildah and skopeo,")
    say("into ~/.config/containers/auth.json; an entry here wins over `docker login`:")
    typer.echo(json.dumps({"credHelpers": dict.fromkeys(keys, "regcred")}, indent=2))


def helper_keys(registry: str) -> tuple[str, ...]:
    """Return how clients spell a registry in credHelpers. Raise typer.Exit."""
    name = registry.lower()
    if name in _HUB_NAMES:
        return HUB_KEYS
    host = name.removeprefix("https://").removesuffix("/")
    if not host or not _HOST.issuperset(host):
        stop(Exit.USAGE, "Error: --registry is HOST[:PORT]; credHelpers know no paths or patterns")
    return (host,)


def _usual_folder() -> Path:
    if os.geteuid() == 0:
        return Path(platformdirs.site_bin_dir())
    return Path(platformdirs.user_bin_dir())
