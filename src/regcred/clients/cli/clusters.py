"""regcred cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.options import NoInput, Output, Yes
from regcred.clients.cli.output import Format, Json, Noun, show_list, show_one
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.problems import ApiProblem

app = typer.Typer(
    help="Clusters whose pods may prove who they are (operators).", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="CLUSTER", help="A cluster's name.")]

_MAX_FILE = 64 * 1024


def _keys(cluster: Json) -> str:
    given = cluster.get("jwks")
    if isinstance(given, dict):
        return f"{len(given.get('keys') or ())} given"
    return f"from {cluster.get('jwks_uri') or 'discovery'}"


_CLUSTER = Noun(
    lambda cluster: cluster["name"],
    {
        "name": lambda cluster: cluster.get("name"),
        "issuer": lambda cluster: cluster.get("issuer"),
        "audience": lambda cluster: cluster.get("audience"),
        "keys": _keys,
    },
)


@app.command()
def ls(output: Output = Format.table) -> None:
    """List clusters."""
    with service(None) as api:
        show_list(api.clusters(), _CLUSTER, output)


@app.command()
def show(cluster: Name, output: Output = Format.table) -> None:
    """Show one cluster."""
    with service(None) as api:
        show_one(api.cluster(cluster), _CLUSTER, output)


@app.command()
def add(
    cluster: Name,
    issuer: Annotated[str, typer.Option(help="The tokens' issuer: https://...")],
    audience: Annotated[
        str, typer.Option(help="What tokens must be made for. A cluster has its own.")
    ],
    jwks: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The cluster's keys. [default: they are fetched]"),
    ] = None,
    jwks_uri: Annotated[
        str | None, typer.Option(metavar="URL", help="Fetch the keys here. [default: discovery]")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Trust these certificates when fetching keys (PEM)."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a cluster that is there.")
    ] = False,
    output: Output = Format.table,
) -> None:
    """Believe the service-account tokens of a cluster."""
    wanted: Json = {"issuer": issuer, "audience": audience}
    if jwks is not None:
        wanted["jwks"] = _key_set(jwks)
    if jwks_uri is not None:
        wanted["jwks_uri"] = jwks_uri
    if ca_file is not None:
        wanted["ca_bundle"] = _text(ca_file, "--ca-file")
    with service(None) as api:
        version = None
        try:
            version = api.cluster(cluster).get("version")
        except ApiProblem as problem:
            if problem.slug != "cluster-not-found":
                raise
        if version is not None and not replace:
            stop(Exit.CONFLICT, f"Error: cluster {cluster} is there: repeat with --replace")
        show_one(api.put_cluster(cluster, wanted, version), _CLUSTER, output)


@app.command()
def rm(cluster: Name, yes: Yes = False, no_input: NoInput = False) -> None:
    """Believe a cluster's tokens no more."""
    with service(None) as api:
        found = api.cluster(cluster)
        asking.confirm(f"Delete cluster {found['name']}?", yes=yes, no_input=no_input)
        api.delete_cluster(found)
        say(f"Deleted cluster {found['name']}.")


def _key_set(path: Path) -> Json:
    try:
        found = json.loads(_text(path, "--jwks"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        stop(Exit.USAGE, "Error: --jwks is a file that holds a JSON Web Key Set")
    return found


def _text(path: Path, option: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        text = data.decode()
    except UnicodeDecodeError:
        _unusable(option, "it is not UTF-8 text")
    except OSError as error:
        _unusable(option, error.strerror or "it cannot be read")
    if len(data) > _MAX_FILE:
        _unusable(option, f"it is longer than {_MAX_FILE} bytes")
    return text


def _unusable(option: str, why: str) -> NoReturn:
    stop(Exit.USAGE, f"Error: the file of {option} cannot be used: {why}")
