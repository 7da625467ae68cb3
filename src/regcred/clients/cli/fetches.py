"""Who fetched a login, and whom a leak concerns, in plain words."""

from __future__ import annotations

import typer

from regcred.clients.api import RegcredClient
from regcred.clients.cli.output import Format, Json, Noun, record, show_list, structure
from regcred.clients.cli.words import say

_FETCH = Noun(
    lambda fetch: fetch.get("principal"),
    {
        "last": lambda fetch: fetch.get("last_at"),
        "client": lambda fetch: fetch.get("client"),
        "image": lambda fetch: fetch.get("image"),
        "node": lambda fetch: fetch.get("node"),
        "namespace": lambda fetch: fetch.get("namespace"),
        "principal": lambda fetch: fetch.get("principal"),
    },
)
_COUNTED = {"principal": "principals", "image": "images", "node": "nodes"}


def show_with_fetches(
    api: RegcredClient, credential: Json, since: str | None, limit: int, output: Format
) -> None:
    """Print a login and who fetched it: the newest `limit`, or everybody since a time."""
    found = api.fetches(credential["id"], since, None if since else limit)
    items = found["items"]
    listed = items if since else items[:limit]
    fetches: Json = {**found, "items": listed, "since": since}
    if since:
        fetches |= _reach(listed)
    if output is Format.table:
        _tell(credential, fetches)
    else:
        structure({**credential, "fetches": fetches}, output)
    if len(items) > len(listed):
        say(f"Only the newest {limit} fetches are listed: --limit and --since list more.")
    if since and not found["complete"]:
        say(
            f"Others may have fetched it: the list is complete from {found['complete_since']} on. "
            "What was before stands in the audit: "
            f"`regcred audit ls --action credential.revealed --target {credential['id']}`."
        )


def _tell(credential: Json, fetches: Json) -> None:
    used = credential.get("last_used_at")
    record({**credential, "last_used_at": used or "never used"})
    typer.echo()
    listed, since = fetches["items"], fetches["since"]
    show_list(listed, _FETCH, Format.table)
    if since:
        typer.echo(f"{_summed(fetches) if listed else 'Nobody fetched it'} since {since}.")
    elif not listed:
        typer.echo("No fetch is recorded." if used else "Nobody ever fetched it.")


def _reach(listed: list[Json]) -> dict[str, int]:
    """Return how many different askers, images and nodes there are; unknown nodes are none."""
    return {
        plural: len({fetch[part] for fetch in listed if fetch.get(part)})
        for part, plural in _COUNTED.items()
    }


def _summed(fetches: Json) -> str:
    counts = [
        f"{fetches[plural]} {part if fetches[plural] == 1 else plural}"
        for part, plural in _COUNTED.items()
    ]
    if not all(fetch.get("node") for fetch in fetches["items"]):
        counts[-1] = f"{counts[-1]} and unknown ones" if fetches["nodes"] else "unknown nodes"
    return ", ".join(counts)
