"""regcred kubernetes: pull secrets, printed or kept in a cluster."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from regcred.clients.cli.options import Project
from regcred.clients.cli.output import Format, Json, structure
from regcred.clients.cli.session import service
from regcred.clients.cli.words import NO_EXTRA, Exit, say, stop
from regcred.clients.kubernetes.names import is_name
from regcred.clients.kubernetes.selectors import selects_labels
from regcred.clients.kubernetes.wanted import MAX_ACCOUNTS, NoPullSecret, read_logins

app = typer.Typer(help="Pull secrets for Kubernetes.", no_args_is_help=True)

_DEFAULT = "regcred"
_ADDRESS = re.compile(r"(?P<host>[^\s:]+|\[[0-9a-f:]+\]):(?P<port>[0-9]{1,5})")

Credentials = Annotated[
    list[str] | None,
    typer.Option(
        "--credential", "-c", help="A login's name or id; otherwise all of them. Repeatable."
    ),
]
Images = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="IMAGE", help="What this image would get. Repeatable."),
]


class Manifest(StrEnum):
    """How a manifest is printed."""

    json = "json"
    yaml = "yaml"


@app.callback()
def root() -> None:
    """Pull secrets for Kubernetes."""


@app.command()
def secret(
    name: Annotated[str, typer.Argument(help="The Secret's name.")],
    credential: Credentials = None,
    image: Images = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="A namespace; several make a List. Repeatable."),
    ] = None,
    project: Project = None,
    output: Annotated[
        Manifest, typer.Option("--output", "-o", help="How it is printed.")
    ] = Manifest.yaml,
) -> None:
    """Print a Secret that pods pull with, passwords included: `… | kubectl apply -f -`."""
    names(name, "NAME")
    spaces = [names(one, "--namespace") for one in dict.fromkeys(namespace or ())]
    query: dict[str, str | list[str]] = {
        "name": name,
        "credential": credential or [],
        "image": image or [],
    }
    found: list[Json] = []
    withheld = left_out = ""
    with service(project) as api:
        for space in spaces or [""]:
            place = {"namespace": space} if space else {}
            handed = api.hand_out("kubernetes-secret", query | place)
            try:
                logins = read_logins(handed)
            except NoPullSecret as why:
                stop(Exit.FAILED, f"Error: {why}")
            withheld, left_out = logins.withheld, logins.left_out
            if not logins.registries:
                _nothing_to_print(withheld, left_out)
            found.append(handed.json())
    if withheld:
        say(f"Withheld, and left out: {withheld}. `regcred credential show` says why.")
    if left_out:
        say(f"Not in it: {left_out}.")
    if sys.stdout.isatty():
        say("What follows holds passwords.")
    one = found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}
    structure(one, Format(output.value))


@app.command()
def sync(
    secret_name: Annotated[
        str, typer.Option(help="The Secret's name, in every namespace.")
    ] = _DEFAULT,
    credential: Credentials = None,
    image: Images = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", help="A namespace to keep it in, of all of them. Repeatable."
        ),
    ] = None,
    namespace_selector: Annotated[
        str, typer.Option(metavar="LABELS", help="Keep it in the namespaces with these labels.")
    ] = "",
    service_account: Annotated[
        list[str] | None,
        typer.Option(help="Let the pods of this service account pull with it. Repeatable."),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            help="Tells syncs of one project apart: each removes what it keeps elsewhere. "
            "[default: the Secret's name]"
        ),
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Remove all that this sync keeps, in every namespace, and end."
        ),
    ] = False,
    interval: Annotated[
        float, typer.Option(min=1, help="Seconds between two looks at most.")
    ] = 300.0,
    lease: Annotated[
        str, typer.Option(metavar="NAME", help="Work only while holding this Lease.")
    ] = "",
    lease_namespace: Annotated[
        str, typer.Option(help="Where the Lease is. [default: this pod's namespace]")
    ] = "",
    health: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Answer /livez and /readyz there.")
    ] = "",
    key_file: Annotated[
        Path | None,
        typer.Option(help="The file that holds the key, such as a mounted Secret; read each time."),
    ] = None,
    project: Project = None,
) -> None:
    """Keep a pull secret in namespaces of a cluster, until interrupted.

    What this sync keeps in a namespace that is named or matches no longer is removed.

    The cluster is the one that this pod runs in, else kubeconfig's current one.
    """
    one_shot = once or delete
    if delete and (namespace or namespace_selector):
        stop(Exit.USAGE, "Error: --delete removes it from every namespace: name none with it")
    if not delete and bool(namespace) == bool(namespace_selector):
        stop(Exit.USAGE, "Error: say where: either --namespace or --namespace-selector")
    if namespace_selector and not selects_labels(namespace_selector):
        example = "such as team=a,tier in (web,api),!legacy"
        stop(Exit.USAGE, f"Error: --namespace-selector is no selector of labels, {example}")
    if one_shot and (lease or health):
        stop(Exit.USAGE, "Error: --lease and --health are for a sync that goes on")
    if lease_namespace and not lease:
        stop(Exit.USAGE, "Error: --lease-namespace needs --lease")
    for text, option in [
        (secret_name, "--secret-name"),
        (name or secret_name, "--name"),
        (lease or "a", "--lease"),
        (lease_namespace or "a", "--lease-namespace"),
        *((one, "--namespace") for one in namespace or ()),
        *((one, "--service-account") for one in service_account or ()),
    ]:
        names(text, option)
    if len(set(service_account or ())) > MAX_ACCOUNTS:
        stop(Exit.USAGE, f"Error: --service-account may be given {MAX_ACCOUNTS} times at most")
    try:
        from regcred.clients.cli.syncing import Wish, keep  # noqa: PLC0415  an extra, and slow
    except ModuleNotFoundError:
        stop(Exit.USAGE, NO_EXTRA)
    wish = Wish(
        project,
        key_file,
        secret_name,
        name or secret_name,
        tuple(credential or ()),
        tuple(image or ()),
        tuple(namespace or ()),
        namespace_selector,
        tuple(service_account or ()),
    )
    keep(
        wish,
        once=once,
        delete=delete,
        interval=interval,
        lease=lease,
        lease_namespace=lease_namespace,
        health=_address(health),
    )


def names(text: str, option: str) -> str:
    """Return a name that Kubernetes takes. Exit with a usage error for anything else."""
    if not is_name(text):
        stop(Exit.USAGE, f"Error: {option} is lower-case letters, digits, - and . (253 at most)")
    return text


def _address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    if not (found := _ADDRESS.fullmatch(text)) or int(found["port"]) > 65535:  # noqa: PLR2004  ports
        stop(Exit.USAGE, "Error: --health is HOST:PORT, such as 127.0.0.1:8081")
    return found["host"].strip("[]"), int(found["port"])


def _nothing_to_print(withheld: str, left_out: str) -> NoReturn:
    if withheld:
        stop(Exit.VERDICT, f"Every login is withheld: {withheld}.", "Nothing was printed.")
    if left_out:
        stop(Exit.FAILED, f"No pull secret can hold these logins: {left_out}.")
    stop(Exit.NOT_FOUND, "No login fits, and a Secret without one is of no use.")
