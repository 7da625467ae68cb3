"""regcred import: bring the logins here that other programs keep."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from regcred.clients.cli import import_vendors
from regcred.clients.cli.credentials import Labels
from regcred.clients.cli.import_options import Apply, Compare, Prefix, Update, Verify
from regcred.clients.cli.import_run import Run, bring
from regcred.clients.cli.options import NoInput, Output, Project, pairs
from regcred.clients.cli.output import Format
from regcred.clients.cli.words import NO_EXTRA, Exit, stop
from regcred.clients.importing.docker_config import read_docker_config, usual_files
from regcred.clients.importing.foreign_helpers import Patience
from regcred.clients.importing.found import Found, NotImportable, Skipped
from regcred.clients.importing.plan import check_prefix
from regcred.clients.importing.pull_secrets import read_manifests
from regcred.clients.importing.vendors import SEVALLA, YOTTA

_FORBIDDEN, _SERVER_ERROR = 403, 500

app = typer.Typer(
    help="Bring the logins here that other programs keep: a plan first, always.",
    no_args_is_help=True,
)
app.command()(import_vendors.gcore)
app.command("yotta")(import_vendors.account(YOTTA))
app.command("sevalla")(import_vendors.account(SEVALLA))


@app.command("docker-config")
def docker_config(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="config.json or auth.json, - for standard input; this user's own if left out.",
        ),
    ] = None,
    use_helpers: Annotated[
        bool,
        typer.Option("--use-helpers", help="Run the credential helpers that the files name."),
    ] = False,
    apply: Apply = False,
    verify: Verify = False,
    update: Update = False,
    compare: Compare = False,
    prefix: Prefix = "",
    label: Labels = None,
    no_input: NoInput = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Bring the logins of docker's config.json and of containers' auth.json."""
    found = files or usual_files(os.environ)
    if not found:
        stop(Exit.NOT_FOUND, "Error: this user has no config.json and no auth.json: name a file")
    patience = Patience() if use_helpers else None
    entries = [one for file in found for one in read_docker_config(file, patience)]
    run = Run(apply, verify, update, compare, _prefix(prefix), pairs(label, "--label"), no_input)
    bring(entries, run, project, output)


@app.command()
def kubernetes(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Manifests in JSON or YAML, - for standard input (`kubectl get secrets -o json`).",
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Read a namespace of the cluster.")
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Read the whole cluster.")
    ] = False,
    apply: Apply = False,
    verify: Verify = False,
    update: Update = False,
    compare: Compare = False,
    prefix: Prefix = "",
    label: Labels = None,
    no_input: NoInput = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Bring the logins of Kubernetes' pull secrets."""
    run = Run(apply, verify, update, compare, _prefix(prefix), pairs(label, "--label"), no_input)
    if bool(files) + bool(namespace) + all_namespaces != 1:
        stop(Exit.USAGE, "Error: name files, or --namespace, or --all-namespaces")
    if files:
        entries = [one for file in files for one in read_manifests(file)]
    else:
        entries = _of_cluster(namespace)
    bring(entries, run, project, output)


def _of_cluster(namespace: str | None) -> list[Found | Skipped]:
    try:
        from regcred.clients.importing.cluster import (  # noqa: PLC0415  an extra, and slow
            ALL_NAMESPACES,
            read_cluster,
        )
        from regcred.clients.kubernetes.refusals import (  # noqa: PLC0415  as above
            ClusterRefused,
            ClusterUnreachable,
        )
    except ModuleNotFoundError:
        stop(Exit.USAGE, NO_EXTRA)
    try:
        return list(read_cluster(namespace or ALL_NAMESPACES))
    except ClusterUnreachable as why:
        stop(Exit.DENIED if why.unknown else Exit.UNREACHABLE, f"Error: {why}")
    except ClusterRefused as why:
        stop(_refused(why.status), f"Error: {why}")


def _refused(status: int) -> Exit:
    if status >= _SERVER_ERROR:
        return Exit.UNREACHABLE
    return Exit.DENIED if status == _FORBIDDEN else Exit.FAILED


def _prefix(given: str) -> str:
    try:
        return check_prefix(given)
    except NotImportable as why:
        stop(Exit.USAGE, f"--prefix: {why}")
