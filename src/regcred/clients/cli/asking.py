"""What a person types in: secrets without echo, and a yes before a deletion.

A secret comes from stdin or from a prompt on a terminal, never from an argument or a variable.
"""

from __future__ import annotations

import getpass
import os
import sys

import typer

from regcred.clients.cli.words import Exit, say, shown, stop

_MAX_SECRET = 16 * 1024


def secret(what: str, option: str, *, from_stdin: bool, no_input: bool) -> str:
    """Return a secret. Raise typer.Exit."""
    if from_stdin:
        return _from_stdin(what)
    if no_input or not sys.stdin.isatty():
        stop(Exit.USAGE, f"Error: no {what}: give it on standard input with {option}")
    typed: str = typer.prompt(what.capitalize(), hide_input=True, err=True)
    return typed


def from_terminal(question: str, *, hidden: bool) -> str:
    """Return what a person types, also while standard input is something else's.

    Raise typer.Exit if there is no terminal.
    """
    try:
        with os.fdopen(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY), "rb", 0) as terminal:
            if hidden:
                # It opens the terminal by itself; without one it would read with echo.
                return getpass.getpass(f"{shown(question)}: ")
            os.write(terminal.fileno(), f"{shown(question)}: ".encode())
            return terminal.readline(_MAX_SECRET).decode(errors="replace").strip()
    except OSError:
        stop(Exit.USAGE, "Error: there is no terminal to ask on: give --secrets-file")


def confirm(question: str, *, yes: bool, no_input: bool = False) -> None:
    """Return when the answer is yes. Raise typer.Exit."""
    if yes:
        return
    if no_input or not sys.stdin.isatty():
        stop(Exit.USAGE, "Error: nobody is there to confirm: repeat with --yes")
    if not typer.confirm(question, err=True):
        say("Nothing was changed.")
        raise typer.Exit(Exit.FAILED)


def _from_stdin(what: str) -> str:
    given = sys.stdin.buffer.read(_MAX_SECRET + 3)
    # One line end is the shell's; a second one would be the secret's own.
    given = given.removesuffix(b"\n").removesuffix(b"\r")
    if not given:
        stop(Exit.USAGE, f"Error: the {what} on standard input is empty")
    if len(given) > _MAX_SECRET:
        stop(Exit.USAGE, f"Error: the {what} is longer than {_MAX_SECRET} bytes")
    try:
        return given.decode()
    except UnicodeDecodeError:
        stop(Exit.USAGE, f"Error: the {what} is not UTF-8 text")
