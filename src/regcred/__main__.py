"""The `regcred` command: the client's commands, and the operator's when the server is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regcred.clients.cli import app

_NO_SERVER = "the server is not installed here: pip install 'regcred[server]'"

Data = Annotated[
    Path | None,
    typer.Option(help="Directory of the store and, by default, the keys. [default: data]"),
]
Keyring = Annotated[
    Path | None, typer.Option(help="The key ring's file, kept apart from the data it opens.")
]
Output = Annotated[str, typer.Option("--output", "-o", help="text or json.")]


@app.command(rich_help_panel="Operator")
def serve(
    data: Data = None,
    keyring: Keyring = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes (SQLite: one).")] = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(help="A network (CIDR) that verification may reach. Repeatable."),
    ] = None,
    allow_http: Annotated[
        list[str] | None,
        typer.Option(help="A registry host[:port] that may be spoken to without TLS. Repeatable."),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port of /metrics. [default: none]")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    accept_rollback: Annotated[
        bool, typer.Option("--accept-rollback", help="Start on a store that was set back.")
    ] = False,
) -> None:
    """Serve the API. The first start makes the key ring, a project and an operator's key."""
    _operate(
        "serve",
        data=data,
        keyring=keyring,
        host=host,
        port=port,
        workers=workers,
        allow_networks=tuple(allow_network) if allow_network else None,
        allow_http=tuple(allow_http) if allow_http else None,
        metrics_port=metrics_port,
        log_level=log_level,
        accept_rollback=accept_rollback or None,
    )


@app.command(rich_help_panel="Operator")
def init(data: Data = None, keyring: Keyring = None, output: Output = "text") -> None:
    """Make the store, the key ring, project 1 and an operator's key, and show the key once."""
    _operate("init", output, data=data, keyring=keyring)


@app.command(rich_help_panel="Operator")
def migrate(data: Data = None) -> None:
    """Bring the store to this version's schema. Stop the service and take a copy first."""
    _operate("migrate", data=data)


@app.command("operator-key", rich_help_panel="Operator")
def operator_key(data: Data = None, keyring: Keyring = None, output: Output = "text") -> None:
    """Make another operator's key, for when the first one is lost. It is shown once."""
    _operate("operator_key", output, data=data, keyring=keyring)


def _operate(command: str, *words: str, **given: object) -> None:
    try:
        from regcred.bootstrap import operator  # noqa: PLC0415  clients run without the server
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.startswith("regcred."):
            raise
        typer.echo(_NO_SERVER, err=True)
        raise typer.Exit(1) from None
    options = {name: value for name, value in given.items() if value is not None}
    raise typer.Exit(operator.run(command, words, options))


def main() -> None:
    """Run the command line."""
    app(prog_name="regcred")


if __name__ == "__main__":
    main()
