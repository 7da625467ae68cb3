"""regcred doctor: find out what is in the way, on this machine or at a registry."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from regcred.clients.cli import doctor_machine
from regcred.clients.cli.options import Output, Project, Settings, pairs
from regcred.clients.cli.output import Format, Json, cell, record, structure
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit

_MACHINE = "machine"
_HELP = {"-h", "--help"}


class _MachineUnlessTold(TyperGroup):
    """`doctor` and `doctor IMAGE` are about this machine: what is no command is its image."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front where none is named."""
        told = bool(args) and (args[0] in self.commands or args[0] in _HELP)
        parsed: list[str] = super().parse_args(ctx, args if told else [_MACHINE, *args])
        return parsed


app = typer.Typer(
    cls=_MachineUnlessTold,
    subcommand_metavar="[IMAGE] | COMMAND [ARGS]...",
    help="Look at this machine, and with IMAGE at what its next pull will do: service, key, "
    "clock, helpers, clients' files, kubelet, containerd. Or ask a registry. "
    "Options for IMAGE: --project, --output.",
)
app.command(_MACHINE, hidden=True)(doctor_machine.machine)
_MEANINGS = {
    "ok": "a login can be tried here",
    "public": "it asks nobody to log in, at least not at its door",
    "rate_limited": "the registry is limiting requests",
    "unreachable": "the registry did not answer the service",
    "untrusted_realm": "it names no token server that regcred would send a password to",
    "not_a_registry": "what answers there is not a registry",
    "unsupported": "no login could be tried here",
}


@app.command()
def registry(
    address: Annotated[str, typer.Argument(metavar="HOST", help="Such as ghcr.io, or its URL.")],
    setting: Settings = None,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Ask a registry what it wants of a login, from where the service runs and without one."""
    settings = pairs(setting, "--setting")
    with service(project) as api:
        found = api.probe_registry(address, settings)
    if output is Format.name:
        typer.echo(cell(found.get("verdict")))
    elif output is Format.table:
        record(_told(found))
    else:
        structure(found, output)
    if found.get("verdict") not in {"ok", "public"}:
        raise typer.Exit(Exit.VERDICT)


def _told(found: Json) -> Json:
    kind = found.get("verdict")
    return {
        "registry": found.get("registry"),
        "verdict": kind,
        "meaning": _MEANINGS.get(str(kind), "see the service's documents"),
        "asked": found.get("asked_at"),
        "evidence": found.get("evidence"),
        "next step": found.get("next_step"),
    }
