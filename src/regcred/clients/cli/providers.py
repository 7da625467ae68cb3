"""regcred provider."""

from __future__ import annotations

from typing import Annotated

import typer

from regcred.clients.cli.options import Output
from regcred.clients.cli.output import Format, Json, Noun, record, show_list, show_one
from regcred.clients.cli.session import service
from regcred.clients.cli.words import Exit, stop
from regcred.clients.problems import ApiProblem

app = typer.Typer(help="What is known of each family of registries.", no_args_is_help=True)

_ROOM = 3
"""How many registries a line of the list has place for; `show` has them all."""


def _briefly(provider: Json) -> str:
    registries = provider.get("registries") or []
    if len(registries) > _ROOM:
        registries = [f"{registries[0]} and {len(registries) - 1} more"]
    return _places(provider, registries)


def _places(provider: Json, registries: list[str]) -> str:
    named = ", ".join(map(str, registries))
    if not provider.get("anywhere"):
        return named
    return f"{named} or any you name" if named else "any you name"


_PROVIDER = Noun(
    lambda provider: provider["slug"],
    {
        "provider": lambda provider: provider.get("slug"),
        "title": lambda provider: provider.get("title"),
        "registries": _briefly,
        "settings": lambda provider: provider.get("settings"),
    },
)


@app.command()
def ls(output: Output = Format.table) -> None:
    """List the providers that a credential may have."""
    with service() as api:
        show_list(api.providers(), _PROVIDER, output)


@app.command()
def show(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Such as ghcr.")],
    output: Output = Format.table,
) -> None:
    """Say where a provider's registries are, what to type in and how long that works."""
    with service() as api:
        try:
            found = api.provider(slug)
        except ApiProblem as problem:
            if problem.slug != "not-found":
                raise
            # The service says no more than that the path leads nowhere.
            next_step = "`regcred provider ls` shows what there is."
            stop(Exit.NOT_FOUND, "Error: no such provider", next_step)
    if output is Format.table:
        record(_told(found))
    else:
        show_one(found, _PROVIDER, output)


def _told(provider: Json) -> Json:
    return {
        "provider": provider.get("slug"),
        "title": provider.get("title"),
        "where": _places(provider, provider.get("registries") or []),
        "login": provider.get("help"),
        "lifetime": provider.get("lifetime"),
        "settings": provider.get("settings"),
        "link": provider.get("link"),
    }
