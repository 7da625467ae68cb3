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
from regcred.clients.cli import docker_files
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.wiring.edits import HUB_KEYS
from regcred.clients.wiring.routes import REGCRED

app = typer.Typer(help="Pull with stored logins on this machine.", no_args_is_help=True)

PROGRAM = assembly.DOCKER_HELPER.name
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
    every: Annotated[
        bool, typer.Option("--all", help="docker and crane: ask for every registry (credsStore).")
    ] = False,
    registries_conf: Annotated[
        bool,
        typer.Option(
            "--registries-conf",
            help="podman, buildah, skopeo: ask for every registry (registries.conf).",
        ),
    ] = False,
    replace_store: Annotated[
        bool, typer.Option("--replace-store", help="Take the place of another helper.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the lines to add, and edit no configuration.")
    ] = False,
) -> None:
    """Put the helper in place and make docker, podman, buildah, skopeo and crane ask it."""
    keys = [key for name in registry or () for key in helper_keys(name)]
    if not _INTERPRETER.exists():
        stop(Exit.FAILED, f"Error: the helper is run by {_INTERPRETER}, which is not there")
    # Whatever is refused is refused before anything is written.
    changes = (
        []
        if print_only
        else docker_files.planned(
            keys, every=every, registries_conf=registries_conf, replace=replace_store
        )
    )
    folder = (bin_dir or _usual_folder()).expanduser().absolute()
    if dry_run:
        docker_files.show(changes)
        say(f"Would place {folder / PROGRAM}")
        return
    try:
        placed = assembly.place(assembly.DOCKER_HELPER, folder)
    except OSError as why:
        stop(Exit.FAILED, f"Error: {folder} was not written: {why.strerror}", "Try --bin-dir DIR.")
    say(f"Placed {placed}")
    if shutil.which(PROGRAM) is None:
        say(f"{placed.parent} is not on PATH: add it, or docker will not find the helper.")
    if print_only:
        typer.echo(json.dumps({"credHelpers": dict.fromkeys(keys, REGCRED)}, indent=2))
    elif changes:
        docker_files.apply(changes)
        docker_files.warn(keys, every=every, registries_conf=registries_conf)
    else:
        say("Name registries with --registry to have docker and podman ask it.")


app.command()(docker_files.uninstall)
app.command()(docker_files.status)


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
