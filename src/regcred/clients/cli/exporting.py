"""regcred export: stored logins in the form that something else reads."""

from __future__ import annotations

import sys
from datetime import UTC
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from regcred.clients.calls import Handed
from regcred.clients.cli.options import Project
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.placing import plain, write_private


class Form(StrEnum):
    """What the service can write logins as."""

    dockerconfigjson = "dockerconfigjson"
    auth_json = "auth.json"
    docker_auth_config = "docker-auth-config"
    kubernetes_secret = "kubernetes-secret"  # noqa: S105  a form's name
    external_secrets = "external-secrets"
    argocd = "argocd"
    nomad = "nomad"
    hosts_toml = "hosts.toml"


_STDOUT = Path("-")


def export(
    form: Annotated[Form, typer.Argument(metavar="FORM", help=f"One of {', '.join(Form)}.")],
    credential: Annotated[
        list[str] | None,
        typer.Option("--credential", "-c", help="This one alone, by name or id. Repeatable."),
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", help="What this image gets. Repeatable.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The Secret's name, for kubernetes-secret.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="The Secret's namespace, for kubernetes-secret.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write a file, - for standard output."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the file, or print on a terminal.")
    ] = False,
    project: Project = None,
) -> None:
    """Write stored logins, passwords included, as something else reads them. It is audited."""
    if (name or namespace) and form is not Form.kubernetes_secret:
        stop(Exit.USAGE, "--name and --namespace are for kubernetes-secret")
    _refuse_early(file, force)
    query: dict[str, str | list[str]] = {"credential": credential or [], "image": image or []}
    query |= {n: v for n, v in (("name", name), ("namespace", namespace)) if v is not None}
    with service(project) as api:
        handed = api.hand_out(form, query)
    if file is None or file == _STDOUT:
        sys.stdout.buffer.write(handed.body)
        sys.stdout.flush()
        where = "This output"
    else:
        _write(file, handed.body, force)
        where = str(file)
    say(f"{where} holds secrets in clear: whoever reads it can pull with them.")
    _tell(handed)


def _refuse_early(file: Path | None, force: bool) -> None:
    """Refuse before anything is revealed and audited."""
    if force:
        if file is not None and file != _STDOUT:
            _check_place(file)
        return
    if file is None and sys.stdout.isatty():
        stop(
            Exit.USAGE,
            "Error: this would show passwords on a terminal",
            "Write a file with --output FILE, or say --output - to see them.",
        )
    if file is not None and file != _STDOUT and (file.exists() or file.is_symlink()):
        stop(Exit.CONFLICT, f"Error: {file} exists: --force overwrites it")


def _check_place(file: Path) -> None:
    try:
        plain(file)
    except OSError as why:
        stop(
            Exit.FAILED,
            f"Error: {file} is not written over: {why.strerror}",
            "Name a file, or say --output - for standard output.",
        )


def _write(file: Path, content: bytes, force: bool) -> None:
    try:
        write_private(file, content, replace=force)
    except FileExistsError:
        stop(Exit.CONFLICT, f"Error: {file} exists: --force overwrites it")
    except OSError as why:
        stop(Exit.FAILED, f"Error: {file} was not written: {why.strerror}")


def _tell(handed: Handed) -> None:
    """Say what is not in it, and when what is in it ends."""
    for names in filter(None, (handed.withheld, handed.left_out)):
        say(f"Not in it: {names}")
    if ends := handed.expires_at:
        at = f"{ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        say(f"A login in it ends at {at}: export again before that.")
