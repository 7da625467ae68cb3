"""The command tree. `regcred.__main__` adds the operator's commands to it."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from regcred import __version__

_COMMANDS = {
    "login": "account:login",
    "logout": "account:logout",
    "whoami": "account:whoami",
    "credential": "credentials:app",
    "import": "importing:app",
    "export": "exporting:export",
    "explain": "images:explain",
    "resolve": "images:resolve",
    "project": "projects:app",
    "key": "keys:app",
    "provider": "providers:app",
    "webhook": "webhooks:app",
    "cluster": "clusters:app",
    "workload": "workloads:app",
    "doctor": "doctor:app",
    "events": "events:events",
    "audit": "audit:app",
    "docker": "docker:app",
    "agent": "agent:agent",
    "kubelet": "kubelet:app",
    "kubernetes": "kubernetes:app",
}
"""Where each command is: the module beside this one, and the function or application in it."""


class _Commands(TyperGroup):
    """Imports a command's module when it is asked for: all of them are 0.1 s and 4 MiB.

    A service needs none of them, and who pulls once needs one. Help imports all.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the client's commands, and then those that were added."""
        return list(dict.fromkeys([*_COMMANDS, *super().list_commands(ctx)]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None. For one that is not there, all: one may look alike."""
        if cmd_name in _COMMANDS:
            self._have(cmd_name)
        elif cmd_name not in self.commands:
            for name in _COMMANDS:
                self._have(name)
        return super().get_command(ctx, cmd_name)

    def _have(self, name: str) -> None:
        if name in self.commands:
            return
        module, _, attribute = _COMMANDS[name].partition(":")
        found = getattr(import_module(f"{__package__}.{module}"), attribute)
        alone = typer.Typer()
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=name)
        else:
            alone.command(name)(found)
        self.commands.update(get_group(alone).commands)


app = typer.Typer(
    name="regcred",
    cls=_Commands,
    help="Keep the logins with which deployments pull private container images.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # A traceback with locals would show secrets.
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"regcred {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep the logins with which deployments pull private container images."""
