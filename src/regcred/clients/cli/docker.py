"""regcred docker: put the credential helper where docker, podman and skopeo find it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from regcred.clients.assembly import DOCKER_HELPER
from regcred.clients.cli import docker_files
from regcred.clients.cli.placed import placed, runnable
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.wiring import edits
from regcred.clients.wiring.containers_auth import AUTH_FILES
from regcred.clients.wiring.routes import REGCRED

app = typer.Typer(help="Pull with stored logins on this machine.", no_args_is_help=True)

PROGRAM = DOCKER_HELPER.name
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-:[]_")


@app.callback()
def root() -> None:
    """Pull with stored logins on this machine."""


@app.command()
def install(
    bin_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="REGCRED_BIN_DIR",
            help="Where to put the helper; ~/.local/bin, for root /usr/local/bin.",
        ),
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
        bool, typer.Option("--print", help="Print the lines to add, and change nothing.")
    ] = False,
) -> None:
    """Put the helper in place and make docker, podman, buildah, skopeo and crane ask it."""
    keys = [key for name in registry or () for key in helper_keys(name)]
    if print_only:
        _print(keys, every=every, registries_conf=registries_conf)
        return
    runnable(DOCKER_HELPER)
    # Whatever is refused is refused before anything is written.
    changes = docker_files.planned(
        keys, every=every, registries_conf=registries_conf, replace=replace_store
    )
    folder = (bin_dir or _usual_folder()).expanduser().absolute()
    if dry_run:
        docker_files.show(changes)
        say(f"Would place {folder / PROGRAM}")
        return
    placed(DOCKER_HELPER, folder)
    if shutil.which(PROGRAM) is None:
        say(f"{folder} is not on PATH: add it, or docker will not find the helper.")
    if changes:
        docker_files.apply(changes)
        docker_files.warn(keys, every=every, registries_conf=registries_conf)
    else:
        say("Name registries with --registry to have docker and podman ask it.")


app.command()(docker_files.uninstall)
app.command()(docker_files.status)


def helper_keys(registry: str) -> tuple[str, ...]:
    """Return how clients spell a registry in credHelpers. Raise typer.Exit."""
    keys = edits.helper_keys(registry)
    if len(keys) == 1 and not (keys[0] and _HOST.issuperset(keys[0])):
        stop(Exit.USAGE, "Error: --registry is HOST[:PORT]; credHelpers know no paths or patterns")
    return keys


def _print(keys: Sequence[str], *, every: bool, registries_conf: bool) -> None:
    """Print the lines of a config.json on stdout, and what is another file's as words."""
    lines: dict[str, object] = {"credHelpers": dict.fromkeys(keys, REGCRED)} if keys else {}
    if every:
        lines["credsStore"] = REGCRED
    typer.echo(json.dumps(lines, indent=2))
    if registries_conf:
        say(f'registries.conf: credential-helpers = ["{REGCRED}", "{AUTH_FILES}"]')


def _usual_folder() -> Path:
    if os.geteuid() == 0:
        return Path(platformdirs.site_bin_dir())
    return Path(platformdirs.user_bin_dir())
