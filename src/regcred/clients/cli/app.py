"""The command tree. `regcred.__main__` adds the operator's commands to it."""

from __future__ import annotations

from typing import Annotated

import typer

from regcred import __version__
from regcred.clients.cli import (
    account,
    agent,
    audit,
    clusters,
    credentials,
    docker,
    doctor,
    events,
    exporting,
    images,
    importing,
    keys,
    kubelet,
    kubernetes,
    projects,
    providers,
    webhooks,
    workloads,
)

app = typer.Typer(
    name="regcred",
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


app.command()(account.login)
app.command()(account.logout)
app.command()(account.whoami)
app.add_typer(credentials.app, name="credential")
app.add_typer(importing.app, name="import")
app.command()(exporting.export)
app.command()(images.explain)
app.command()(images.resolve)
app.add_typer(projects.app, name="project")
app.add_typer(keys.app, name="key")
app.add_typer(providers.app, name="provider")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(clusters.app, name="cluster")
app.add_typer(workloads.app, name="workload")
app.add_typer(doctor.app, name="doctor")
app.command()(events.events)
app.add_typer(audit.app, name="audit")
app.add_typer(docker.app, name="docker")
app.command()(agent.agent)
app.add_typer(kubelet.app, name="kubelet")
app.add_typer(kubernetes.app, name="kubernetes")
