"""What a person types in: secrets without echo, and a yes before a deletion.

A secret comes from stdin or from a prompt on a terminal, never from an argument or a variable.
"""

from __future__ import annotations

import sys

import typer

from regcred.clients.cli.words import Exit, say, stop

_MAX_SECRET = 16 * 1024


def secret(what: str, option: str, *, from_stdin: bool, no_input: bool) -> str:
    """Return a secret. Raise typer.Exit."""
    if from_stdin:
        return _from_stdin(what)
    if no_input or not sys.stdin.isatty():
        stop(Exit.USAGE, f"Error: no {what}: give it on standard input with {option}")
    typed: str = typer.prompt(what.capitalize(), hide_input=True, err=True)
    return typed


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
