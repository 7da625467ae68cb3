"""Put a program for nodes where something runs it."""

from __future__ import annotations

from pathlib import Path

from regcred.clients import assembly
from regcred.clients.assembly import Program
from regcred.clients.cli.words import Exit, say, stop

INTERPRETER = Path("/usr/bin/python3")


def runnable(program: Program) -> None:
    """Refuse to go on where nothing could run the program. Raise typer.Exit."""
    if not INTERPRETER.exists():
        stop(Exit.FAILED, f"Error: {program.name} is run by {INTERPRETER}, which is not there")


def placed(program: Program, folder: Path) -> Path:
    """Write the program into a folder and return its path. Raise typer.Exit."""
    try:
        path = assembly.place(program, folder)
    except OSError as why:
        stop(Exit.FAILED, f"Error: {folder} was not written: {why.strerror}", "Try --bin-dir DIR.")
    say(f"Placed {path}")
    return path
