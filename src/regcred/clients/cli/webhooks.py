"""regcred webhook."""

from __future__ import annotations

from typing import Annotated

import typer

from regcred.clients.cli import asking
from regcred.clients.cli.options import NoInput, Output, Project, Yes
from regcred.clients.cli.output import (
    Format,
    Json,
    Noun,
    cell,
    record,
    show_list,
    show_one,
    structure,
)
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, say, shown

app = typer.Typer(help="Where the project's events are sent.", no_args_is_help=True)

Webhook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook's id.")]
SecretStdin = Annotated[
    bool,
    typer.Option("--secret-stdin", help="Read the signing secret (whsec_...) from standard input."),
]

_WEBHOOK = Noun(
    lambda webhook: webhook["id"],
    {
        "id": lambda webhook: webhook.get("id"),
        "url": lambda webhook: webhook.get("url"),
        "kinds": lambda webhook: webhook.get("kinds") or "all",
        "disabled": lambda webhook: webhook.get("disabled"),
        "last status": lambda webhook: webhook.get("last_status"),
        "last at": lambda webhook: webhook.get("last_at"),
    },
)

MEANINGS = {
    "delivered": "the receiver took it",
    "redirected": "the receiver points elsewhere, which is not followed",
    "refused": "the receiver answered 4xx",
    "gone": "the receiver answered 410: it wants no more",
    "failed": "the receiver answered 5xx",
    "not_http": "what answers there does not speak HTTP",
    "dns": "the name has no address",
    "unreachable": "no connection, or a destination that is not allowed",
    "tls": "no TLS connection: look at the receiver's certificate",
    "timeout": "the receiver did not answer in time",
    "plain_http": "the operator does not allow http for that host",
    "secret_broken": "the signing secret does not open: rotate it",
    "gave_up": "an event was dropped after the last attempt",
    "overflowed": "events were dropped because too many waited",
}


@app.command()
def ls(project: Project = None, output: Output = Format.table) -> None:
    """List webhooks and what came of their last attempts."""
    with service(project) as api:
        show_list(api.webhooks(), _WEBHOOK, output)


@app.command()
def show(webhook: Webhook, project: Project = None, output: Output = Format.table) -> None:
    """Show one webhook without its secret."""
    with service(project) as api:
        show_one(api.webhook(webhook), _WEBHOOK, output)


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://HOST[:PORT]/...")],
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Such as verdict.changed. Repeatable. [default: all]"),
    ] = None,
    secret_stdin: SecretStdin = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Have events sent somewhere and print the signing secret, this once."""
    wanted: Json = {"url": url}
    if kind:
        wanted["kinds"] = kind
    with service(project) as api:
        _show_secret(api.create_webhook(wanted | _given(secret_stdin)), output)


@app.command()
def rotate(
    webhook: Webhook,
    secret_stdin: SecretStdin = False,
    project: Project = None,
    output: Output = Format.table,
) -> None:
    """Sign with a new secret from now on and print it, this once."""
    with service(project) as api:
        _show_secret(api.rotate_webhook_secret(webhook, _given(secret_stdin)), output)


@app.command("test")
def send_test(webhook: Webhook, project: Project = None, output: Output = Format.table) -> None:
    """Send a test message now and say what came of it."""
    with service(project) as api:
        came = api.test_webhook(webhook)
    status = str(came.get("status"))
    if output is Format.table:
        meaning = MEANINGS.get(status, "see the service's documents")
        record({"status": status, "meaning": meaning})
    elif output is Format.name:
        typer.echo(cell(status))
    else:
        structure(came, output)
    if status != "delivered":
        raise typer.Exit(Exit.VERDICT)


@app.command()
def disable(webhook: Webhook, project: Project = None) -> None:
    """Send nothing there until it is enabled again; what waits is dropped."""
    _set_disabled(webhook, project, True)


@app.command()
def enable(webhook: Webhook, project: Project = None) -> None:
    """Send there again, from the next event on."""
    _set_disabled(webhook, project, False)


@app.command()
def rm(
    webhook: Webhook, yes: Yes = False, no_input: NoInput = False, project: Project = None
) -> None:
    """Delete a webhook."""
    with service(project) as api:
        found = api.webhook(webhook)
        label = f"webhook {found['id']} ({found['url']})"
        asking.confirm(f"Delete {label}?", yes=yes, no_input=no_input)
        api.delete_webhook(found)
        say(f"Deleted webhook {found['id']}.")


def _given(from_stdin: bool) -> Json:
    """Return a secret that was given, as a part of a body; without one, the service makes it."""
    if not from_stdin:
        return {}
    return {"secret": asking.secret("secret", "--secret-stdin", from_stdin=True, no_input=True)}


def _show_secret(made: Json, output: Format) -> None:
    if output in {Format.json, Format.yaml}:
        structure(made, output)
    elif made.get("secret"):
        typer.echo(shown(str(made["secret"])))
    if made.get("secret"):
        say(f"The secret of webhook {made.get('id')} is shown this once: keep it now.")
    else:
        say(f"Webhook {made.get('id')} is set up.")


def _set_disabled(webhook: str, project: str | None, disabled: bool) -> None:
    with service(project) as api:
        found = api.update_webhook(api.webhook(webhook), {"disabled": disabled})
        say(f"Webhook {found['id']} is {'disabled' if disabled else 'enabled'}.")
