"""regcred import gcore, yotta and sevalla: what an account has, and what is to be typed in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.credentials import Labels
from regcred.clients.cli.import_options import Apply, Compare, Update, Verify
from regcred.clients.cli.import_run import Run, bring
from regcred.clients.cli.options import NoInput, Output, Project, pairs
from regcred.clients.cli.output import Format
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.importing.found import Found, NotImportable, Skipped
from regcred.clients.importing.typed_in import Typed, complete, completed, read_secrets_file
from regcred.clients.importing.vendors import GCORE, Vendor, VendorFailed
from regcred.clients.node.settings import target
from regcred.clients.node.words import Refused

Url = Annotated[
    str | None, typer.Option("--url", help="Where the vendor's API is, if not where it always is.")
]
KeyStdin = Annotated[
    bool, typer.Option("--key-stdin", help="Read the vendor's key from standard input.")
]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask for each password that is missing, without echo.")
]
SecretsFile = Annotated[
    Path | None,
    typer.Option(
        "--secrets-file",
        metavar="FILE",
        help="JSON, name: password (or an object with username and registry too); mode 0600.",
    ),
]


def gcore(
    gcore_project: Annotated[int, typer.Option(help="The project's number at Gcore.", min=0)],
    url: Url = None,
    key_stdin: KeyStdin = False,
    ask: Ask = False,
    secrets_file: SecretsFile = None,
    apply: Apply = False,
    verify: Verify = False,
    update: Update = False,
    compare: Compare = False,
    label: Labels = None,
    no_input: NoInput = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """List a Gcore project's logins, and store them once their passwords are typed in."""
    run = Run(apply, verify, update, compare, "", pairs(label, "--label"), no_input)
    _bring(GCORE, url, str(gcore_project), key_stdin, ask, secrets_file, run, project, output)


def account(vendor: Vendor) -> Callable[..., None]:
    """Return the command for a vendor whose key says which account it is."""

    def command(
        url: Url = None,
        key_stdin: KeyStdin = False,
        ask: Ask = False,
        secrets_file: SecretsFile = None,
        apply: Apply = False,
        verify: Verify = False,
        update: Update = False,
        compare: Compare = False,
        label: Labels = None,
        no_input: NoInput = False,
        project: Project = None,
        output: Output = Format.table,
    ) -> None:
        run = Run(apply, verify, update, compare, "", pairs(label, "--label"), no_input)
        _bring(vendor, url, "", key_stdin, ask, secrets_file, run, project, output)

    command.__doc__ = f"List a {vendor.name} account's logins, and store them once completed."
    return command


def _bring(
    vendor: Vendor,
    url: str | None,
    vendor_project: str,
    key_stdin: bool,
    ask: bool,
    secrets_file: Path | None,
    run: Run,
    project: str | None,
    output: Format,
) -> None:
    if ask and (run.no_input or not (run.apply or sys.stdin.isatty())):
        stop(Exit.USAGE, "Error: --ask needs a terminal, and --apply where nobody can say yes")
    where = _checked(url or vendor.url)
    typed = _typed(secrets_file)
    key = asking.secret(
        f"{vendor.name} key", "--key-stdin", from_stdin=key_stdin, no_input=run.no_input
    ).strip()
    if not (key.isascii() and key.isprintable()):
        stop(Exit.USAGE, f"Error: that is no key of {vendor.name}'s")
    try:
        listed = vendor.logins(where, key, vendor_project)
    except VendorFailed as why:
        stop(Exit.DENIED if why.denied else Exit.UNREACHABLE, f"Error: {why}")
    _name_strangers(typed, listed)
    bring(completed(listed, typed), run, project, output, _ask_about if ask else None)


def _checked(url: str) -> str:
    try:
        target({"url": url, "from": "--url"})
    except Refused as why:
        stop(Exit.USAGE, f"Error: {why}")
    return url


def _typed(secrets_file: Path | None) -> dict[str, Typed]:
    try:
        return {} if secrets_file is None else read_secrets_file(secrets_file)
    except NotImportable as why:
        stop(Exit.USAGE, f"Error: {secrets_file}: {why}")


def _name_strangers(typed: dict[str, Typed], listed: list[Found | Skipped]) -> None:
    """Say which names the account does not have: most are typing errors."""
    names = {one.name for one in listed if isinstance(one, Found)}
    for name in typed.keys() - names:
        say(f"{name} is in the secrets file and not in the account.")


def _ask_about(entry: Found) -> Found | Skipped:
    username = entry.username or asking.from_terminal(f"User name of {entry.name}", hidden=False)
    registry = ""
    if not (entry.registry or entry.provider):
        question = f"Registry of {entry.name} (nothing: used by its name alone)"
        registry = asking.from_terminal(question, hidden=False)
    password = asking.from_terminal(f"Password of {entry.name}", hidden=True)
    try:
        return complete(entry, Typed(password, username, registry))
    except NotImportable as why:
        return Skipped(entry.source, str(why))
