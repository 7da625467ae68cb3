"""A registry's verdict in plain words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime

import typer

from regcred.clients.api import RegcredClient
from regcred.clients.cli.following import every_so_often
from regcred.clients.cli.output import Format, Json, Noun, cell, record, structure
from regcred.clients.cli.words import Exit

MEANINGS = {
    "ok": "the registry accepts this login",
    "rejected": "the registry turned this username and secret away",
    "denied": "the login is real, and it may not pull this repository",
    "missing": "the login may pull here, and there is no such repository or tag",
    "public": "anybody can pull this image, so nothing is proven about the login",
    "expired": "the login is past its time",
    "rate_limited": "the registry is limiting requests, and did not look at the login",
    "unreachable": "the registry did not answer, so nothing is known about the login",
    "untrusted_realm": "its token server is not trusted, so the password was not sent",
    "not_a_registry": "what answers there is not a registry",
    "unsupported": "the registry wants a kind of login that regcred does not speak",
}

VERDICT = Noun(
    lambda verdict: verdict["verdict"],
    {
        "checked": lambda verdict: verdict.get("checked_at"),
        "verdict": lambda verdict: verdict.get("verdict"),
        "image": lambda verdict: verdict.get("image"),
        "evidence": lambda verdict: verdict.get("evidence"),
    },
)


def show_verdict(verdict: Json, output: Format) -> None:
    """Print a verdict; for a person, what it means, what was seen and what to do."""
    if output is Format.name:
        typer.echo(cell(verdict.get("verdict")))
    elif output is Format.table:
        record(_told(verdict))
    else:
        structure(verdict, output)


def later_verdicts(api: RegcredClient, name: str, last: Json, interval: float) -> Iterator[Json]:
    """Yield each verdict on a login after `last`, oldest first, without end."""

    def look() -> list[Json]:
        newer = itertools.takewhile(lambda one: _checked(one) > _checked(last), api.verdicts(name))
        return list(newer)[::-1]

    for fresh in every_so_often(look, interval):
        for verdict in fresh:
            last = verdict
            yield verdict


def _checked(verdict: Json) -> datetime:
    return datetime.fromisoformat(str(verdict["checked_at"]))


def exit_for(verdict: Mapping[str, object]) -> None:
    """Return when the verdict is good. Raise typer.Exit otherwise."""
    if verdict.get("verdict") != "ok":
        raise typer.Exit(Exit.VERDICT)


def _told(verdict: Json) -> Json:
    kind = verdict.get("verdict")
    told = {"verdict": kind, "meaning": MEANINGS.get(str(kind), "see the service's documents")}
    if verdict.get("image"):
        told["image"] = verdict["image"]
    told["checked"] = verdict.get("checked_at")
    if verdict.get("evidence"):
        told["evidence"] = verdict["evidence"]
    told["next step"] = verdict.get("next_step")
    return told
