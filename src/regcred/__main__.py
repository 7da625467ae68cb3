"""The `regcred` command: the client's commands, and the operator's when the server is installed."""

from __future__ import annotations

import gc
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from regcred.clients.cli import app

_NO_SERVER = "the server is not installed here: pip install 'regcred[server]'"

Data = Annotated[
    Path | None,
    typer.Option(help="Directory of the store and, by default, the keys. [default: data]"),
]
Database = Annotated[
    str | None,
    typer.Option(help="postgresql://USER@HOST:PORT/NAME instead of SQLite; no password in it."),
]
Keyring = Annotated[
    list[str] | None,
    typer.Option(
        help="A key ring: a file kept apart from the data, fd:N, awskms:ARN, gcpkms:NAME or"
        " vault:MOUNT/KEY. Repeatable: the first wraps, all unwrap."
    ),
]


class Format(StrEnum):
    """How a command of the operator prints."""

    text = "text"
    json = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How data is printed.")]


@app.command(rich_help_panel="Operator")
def serve(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    anchor: Annotated[
        Path | None,
        typer.Option(help="The audit anchor's file, if it is not to be beside the key ring."),
    ] = None,
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
        database=database,
        keyring=keyring,
        anchor=anchor,
        host=host,
        port=port,
        workers=workers,
        allow_networks=allow_network,
        allow_http=allow_http,
        metrics_port=metrics_port,
        log_level=log_level,
        accept_rollback=accept_rollback or None,
    )


@app.command(rich_help_panel="Operator")
def init(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Make the store, the key ring, project 1 and an operator's key, and show the key once."""
    _operate("init", output, data=data, database=database, keyring=keyring)


@app.command(rich_help_panel="Operator")
def migrate(
    data: Data = None,
    database: Database = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Change nothing; print what would be done.")
    ] = False,
) -> None:
    """Bring the store to this version's schema. Take a backup first; on SQLite stop the service."""
    _operate("migrate", plan, data=data, database=database)


@app.command("operator-key", rich_help_panel="Operator")
def operator_key(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Make another operator's key, for when the first one is lost. It is shown once."""
    _operate("operator_key", output, data=data, database=database, keyring=keyring)


keys = typer.Typer(help="Key-encryption keys: rotate them, and see what hangs on which.")
app.add_typer(keys, name="keys", rich_help_panel="Operator")


@keys.command("status")
def keys_status(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Show every key, what hangs on it, whether it can be had, and when it may be removed."""
    _operate("keys_status", output, data=data, database=database, keyring=keyring)


@keys.command("verify")
def keys_verify(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Open everything that is sealed, showing none of it, and name what does not open."""
    _operate("keys_verify", output, data=data, database=database, keyring=keyring)


@keys.command("rotate")
def keys_rotate(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="Only make the key.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Only have it wrap.")] = False,
) -> None:
    """Make a new key in the ring's file and have it wrap. Several servers: in two steps."""
    if prepare and promote:
        raise typer.BadParameter("--prepare and --promote are the two steps: one at a time")
    step = "prepare" if prepare else "promote" if promote else "both"
    _operate("keys_rotate", step, data=data, database=database, keyring=keyring)


@keys.command("rewrap")
def keys_rewrap(data: Data = None, database: Database = None, keyring: Keyring = None) -> None:
    """Wrap everything by the key that wraps now, beside a running service."""
    _operate("keys_rewrap", data=data, database=database, keyring=keyring)


@keys.command("reseal")
def keys_reseal(
    project: str, data: Data = None, database: Database = None, keyring: Keyring = None
) -> None:
    """Give PROJECT (its number or id) another seed, and seal all its secrets anew."""
    _operate("keys_reseal", project, data=data, database=database, keyring=keyring)


@keys.command("escrow")
def keys_escrow(
    folder: Annotated[str, typer.Argument(help="Where the shares go, a file each; - prints them.")],
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    shares: Annotated[int, typer.Option(help="How many are made.")] = 5,
    needed: Annotated[int, typer.Option(help="How many of them give the ring back.")] = 3,
) -> None:
    """Take the ring's file apart into shares for several people (SLIP-0039)."""
    _operate("keys_escrow", folder, shares, needed, data=data, database=database, keyring=keyring)


@keys.command("recover")
def keys_recover(
    share: list[str], data: Data = None, database: Database = None, keyring: Keyring = None
) -> None:
    """Write the ring's file again from enough SHARE files, where there is none."""
    _operate("keys_recover", *share, data=data, database=database, keyring=keyring)


@keys.command("remove")
def keys_remove(
    kid: str, data: Data = None, database: Database = None, keyring: Keyring = None
) -> None:
    """Take a key that nothing needs any more out of the ring's file."""
    _operate("keys_remove", kid, data=data, database=database, keyring=keyring)


@app.command(rich_help_panel="Operator")
def backup(
    destination: Annotated[
        Path, typer.Argument(help="A directory that only this user may open; made if need be.")
    ],
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Copy the store, also while it is served, and print the copy's file. Not the key ring."""
    where = {"data": data, "database": database, "keyring": keyring}
    _operate("backup", str(destination), output, **where)


@app.command(rich_help_panel="Operator")
def restore(
    backup: Annotated[Path, typer.Argument(help="A file that `regcred backup` made.")],
    check: Annotated[
        bool, typer.Option("--check", help="Open everything in it, and put nothing in place.")
    ] = False,
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Check a backup and, where no store is, put it in place."""
    words = (str(backup), "check" if check else "", output)
    _operate("restore", *words, data=data, database=database, keyring=keyring)


@app.command(rich_help_panel="Operator")
def scrub(
    data: Data = None,
    database: Database = None,
    keyring: Keyring = None,
    output: Output = Format.text,
) -> None:
    """Open every sealed row and verify the audit, also beside a server; print what is wrong."""
    _operate("scrub", output, data=data, database=database, keyring=keyring)


def _operate(command: str, *words: object, **given: object) -> None:
    try:
        _import_structlog_alone()
        from regcred.bootstrap import operator, process  # noqa: PLC0415  clients run without the server

        if command == "serve":  # No other command needs the web, which takes most of a second.
            gc.disable()  # What a start makes stays. The service collects again once it is ready.
            import regcred.bootstrap.service  # noqa: F401, PLC0415  see above
        else:
            process.unwind_on_sigterm()
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.startswith("regcred."):
            raise
        typer.echo(_NO_SERVER, err=True)
        raise typer.Exit(1) from None
    # Repeatable options are lists, empty where they were not given.
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value not in (None, [])
    }
    raise typer.Exit(operator.run(command, words, options))


def _import_structlog_alone() -> None:
    """Import it without rich, which it takes wherever it is, for tracebacks that are never shown.

    That is 4 MiB. rich itself is left for whoever needs it. Raise ImportError.
    """
    if "rich" in sys.modules:
        return
    absent: Any = None  # to the import system: not there
    sys.modules["rich"] = absent
    try:
        import structlog  # noqa: F401, PLC0415  part of the server
    finally:
        del sys.modules["rich"]


def main() -> None:
    """Run the command line."""
    app(prog_name="regcred")


if __name__ == "__main__":
    main()
