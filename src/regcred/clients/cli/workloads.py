"""regcred workload."""

from __future__ import annotations

from typing import Annotated

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.options import NoInput, Output, Project, Yes
from regcred.clients.cli.output import Format, Noun, show_list, show_one
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.problems import ApiProblem

app = typer.Typer(help="The service accounts that may pull without a key.", no_args_is_help=True)

_WORKLOAD = Noun(
    lambda workload: workload["id"],
    {
        "id": lambda workload: workload.get("id"),
        "cluster": lambda workload: workload.get("cluster"),
        "namespace": lambda workload: workload.get("namespace"),
        "service account": lambda workload: workload.get("service_account"),
        "images": lambda workload: workload.get("image_patterns"),
    },
)


@app.command()
def ls(project: Project = None, output: Output = Format.table) -> None:
    """List the service accounts that may pull."""
    with service(project) as api:
        show_list(api.workloads(), _WORKLOAD, output)


@app.command()
def allow(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="A cluster's name.")],
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="'*': every one.")],
    service_account: Annotated[
        str, typer.Argument(metavar="SERVICE_ACCOUNT", help="'*': every one.")
    ],
    image: Annotated[
        list[str],
        typer.Option(
            "--image", metavar="PATTERN", help="What it may pull. Repeatable. '*': every image."
        ),
    ],
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Let a service account take the logins of these images."""
    asked = {
        "cluster": cluster,
        "namespace": namespace,
        "service_account": service_account,
        "image_patterns": image,
    }
    with service(project) as api:
        try:
            made = api.allow_workload(asked)
        except ApiProblem as why:
            if why.slug != "name-taken":
                raise
            stop(
                Exit.CONFLICT,
                f"Error: {why}",
                "To change its images, `regcred workload rm` that one and allow it anew.",
            )
        show_one(made, _WORKLOAD, output)


@app.command()
def rm(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="A workload's id.")],
    yes: Yes = False,
    no_input: NoInput = False,
    project: Project = None,
) -> None:
    """Let a service account pull no more."""
    with service(project) as api:
        found = api.workload(workload)
        label = f"{found['cluster']}/{found['namespace']}/{found['service_account']}"
        asking.confirm(f"Withdraw {label}?", yes=yes, no_input=no_input)
        api.withdraw_workload(found)
        say(f"Withdrew workload {found['id']}.")
