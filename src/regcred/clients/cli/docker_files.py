"""What `regcred docker` does to this user's client files, and what it sees in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from regcred import __version__
from regcred.clients.cli.options import Output
from regcred.clients.cli.output import Format, Json, Noun, cell, show_list, structure
from regcred.clients.cli.words import Exit, say, shown, stop
from regcred.clients.wiring import edits
from regcred.clients.wiring.edits import Change, OtherHelper
from regcred.clients.wiring.helpers import Helper, state_of
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import Puller, pullers
from regcred.clients.wiring.replacing import Unusable, delete, replace
from regcred.clients.wiring.routes import REGCRED, Route, registry_name, routes

_ROUTE = Noun(
    lambda route: route["registry"],
    {
        "clients": lambda route: route["clients"],
        "registry": lambda route: route["registry"],
        "asks": lambda route: route["asks"],
        "because of": lambda route: route["file"],
        "notes": lambda route: "; ".join(route["notes"]),
    },
)

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
]


def planned(
    keys: Sequence[str], *, every: bool, registries_conf: bool, replace: bool
) -> list[Change]:
    """Return what installing changes. Raise typer.Exit."""
    machine = Machine.here(os.environ)
    try:
        return edits.install(machine, keys, every=every, conf=registries_conf, replace=replace)
    except Unusable as why:
        stop(Exit.FAILED, f"Error: {why}", "Nothing was changed.")
    except OtherHelper as why:
        stop(Exit.CONFLICT, f"Error: {why}", "Nothing was changed.")


def show(changes: Sequence[Change]) -> None:
    """Print the changes as a diff."""
    if not any(change.made for change in changes):
        say("There is nothing to change.")
    for change in changes:
        for line in change.diff():
            typer.echo("\t".join(map(shown, line.split("\t"))))


def apply(changes: Sequence[Change]) -> None:
    """Write the changes. Raise typer.Exit."""
    made = [change for change in changes if change.made]
    if not made:
        say("There is nothing to change.")
    written = ""
    for change in made:
        path = change.original.path
        kept = None
        try:
            if change.text is None:
                delete(change.original)
            else:
                kept = replace(change.original, change.text, keep=change.keep)
        except Unusable as why:
            stop(Exit.FAILED, f"Error: {why}{written}")
        except OSError as why:
            stop(Exit.FAILED, f"Error: {path} was not written: {why.strerror}{written}")
        written += f"{', ' if written else '. Already written: '}{path}"
        done = "Deleted" if change.text is None else "Changed"
        say(f"{done} {path}" + (f" (as it was: {kept})" if kept else ""))


def warn(keys: Sequence[str], *, every: bool, registries_conf: bool) -> None:
    """Say what keeps clients from asking regcred about these keys all the same."""
    wanted = {registry_name(key) for key in keys}
    for row in _rows(pullers(Machine.here(os.environ))):
        clients, registry = ", ".join(row["clients"]), row["registry"]
        if not any(registry == one or registry.startswith(f"{one}/") for one in wanted):
            continue
        if not row["regcred"]:
            say(f"{clients}: {registry} still comes from {row['asks']}.")
        for note in row["notes"]:
            say(f"{clients}: {registry}: {note}.")
    if every and not registries_conf:
        say("podman, buildah and skopeo do not read credsStore: --registries-conf is theirs.")


def uninstall(dry_run: DryRun = False) -> None:
    """Take out every entry that names regcred. The helper stays, and so does everything else."""
    try:
        changes = edits.uninstall(Machine.here(os.environ))
    except Unusable as why:
        stop(Exit.FAILED, f"Error: {why}", "Nothing was changed.")
    if dry_run:
        show(changes)
    else:
        apply(changes)


def status(output: Output = Format.table) -> None:
    """Show which registries' logins come from regcred, client by client, and what comes before."""
    machine = Machine.here(os.environ)
    helper = state_of(machine, REGCRED)
    found = pullers(machine)
    rows = _rows(found)
    if output in {Format.json, Format.yaml}:
        installed = [puller.name for puller in found if puller.installed]
        structure({"helper": _helper(helper), "installed": installed, "routes": rows}, output)
    else:
        show_list(rows, _ROUTE, output)
        if output is Format.table and not rows:
            typer.echo("No client asks anybody for a login: `regcred docker install -r HOST`.")
    say(_told(helper))
    if not helper.runs and any(row["regcred"] for row in rows):
        raise typer.Exit(Exit.FAILED)


def _rows(found: Sequence[Puller]) -> list[Json]:
    """Return one row for all the clients that do the same with a registry."""
    by_route: dict[Route, list[str]] = {}
    for puller in found:
        for route in routes(puller):
            by_route.setdefault(route, []).append(puller.name)
    return [
        {
            "clients": clients,
            "registry": route.registry,
            "asks": route.through,
            "regcred": route.regcred,
            "file": route.file,
            "notes": list(route.notes),
        }
        for route, clients in by_route.items()
    ]


def _helper(helper: Helper) -> Json:
    return {
        "path": helper.path,
        "runs": helper.runs,
        "version": helper.version,
        "fault": helper.fault,
    }


def _told(helper: Helper) -> str:
    if not helper.runs:
        return f"docker-credential-{helper.name}: {helper.fault}"
    other = "" if helper.version == __version__ else f", and this is regcred {__version__}"
    return f"{cell(helper.path)} runs: {helper.version}{other}"
