"""Runs beside the Gcore SDK: a call a line in, what came of it a line out. Argument: sync, async.

`iterate` and `pages` are two ways to walk a list; every other call is the SDK's own method.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

# Not a static import: the SDK is installed where this runs, and nowhere that this is checked.
gcore: Any = importlib.import_module("gcore")


def shown(result: Any) -> Any:
    return None if result is None else result.to_dict()


def told(page: Any) -> dict[str, Any]:
    return {"count": page.count, "names": [one.name for one in page.results]}


sent: list[str] = []
made: dict[str, Any] = {}


def count(request: Any) -> None:
    sent.append(request.method)


async def count_later(request: Any) -> None:
    count(request)


def logins_of(options: dict[str, Any], make: Any, make_http: Any, hook: Any) -> Any:
    """Return the SDK's resource; a client takes long to make, so one is kept for its options."""
    key = json.dumps(options, sort_keys=True)
    if key not in made:
        http = make_http(event_hooks={"request": [hook]})
        made[key] = make(_strict_response_validation=True, http_client=http, **options)
    return made[key].cloud.inference.registry_credentials


def in_turn(options: dict[str, Any], call: str, arguments: dict[str, Any]) -> Any:
    logins = logins_of(options, gcore.Gcore, gcore.DefaultHttpxClient, count)
    if call == "iterate":
        return [one.name for one in logins.list(**arguments)]
    if call == "pages":
        page = logins.list(**arguments)
        pages = [told(page)]
        while page.has_next_page():
            page = page.get_next_page()
            pages.append(told(page))
        return pages
    return shown(getattr(logins, call)(**arguments))


async def at_once(options: dict[str, Any], call: str, arguments: dict[str, Any]) -> Any:
    logins = logins_of(options, gcore.AsyncGcore, gcore.DefaultAsyncHttpxClient, count_later)
    if call == "iterate":
        return [one.name async for one in logins.list(**arguments)]
    if call == "pages":
        page = await logins.list(**arguments)
        pages = [told(page)]
        while page.has_next_page():
            page = await page.get_next_page()
            pages.append(told(page))
        return pages
    return shown(await getattr(logins, call)(**arguments))


def raised(error: Any) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "body": error.body,
        "headers": {} if response is None else dict(response.headers),
    }


def answer(question: dict[str, Any], runner: asyncio.Runner) -> dict[str, Any]:
    sent.clear()
    asked = (question["options"], question["call"], question["arguments"])
    try:
        value = runner.run(at_once(*asked)) if sys.argv[1] == "async" else in_turn(*asked)
    except gcore.APIError as error:
        return {"value": None, "error": raised(error), "sent": len(sent)}
    return {"value": value, "error": None, "sent": len(sent)}


with asyncio.Runner() as runner:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line), runner)) + "\n")
        sys.stdout.flush()
