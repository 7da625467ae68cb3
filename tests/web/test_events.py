"""Events on the wire, and how often a project's logins are checked."""

from __future__ import annotations

from typing import Any

import pytest

from regcred.domain.verdict import VerdictKind
from tests.web.world import World, problem

EVENTS = "/v1/projects/-/events"
VERIFY = "/v1/projects/-/credentials/{}:verify"
IMAGE = "registry.example.com/team/app"


async def changing(world: World, name: str, *kinds: VerdictKind) -> Any:
    made = await world.add(name)
    world.registries.say(*kinds)
    for _ in kinds:
        await world.send("POST", VERIFY.format(name), {"image": IMAGE})
    return made


async def test_an_event_as_it_is_shown(world: World) -> None:
    made = await changing(world, "hub", VerdictKind.OK, VerdictKind.REJECTED)

    shown = (await world.send("GET", EVENTS, key="viewer")).json()
    (event,) = shown["items"]
    assert shown["next_cursor"] is None
    assert event.pop("number") > 0
    assert event.pop("at").startswith("2030-01-01T")
    assert event == {
        "kind": "verdict.changed",
        "credential": {"id": made["id"], "name": "hub"},
        "details": {
            "from": "ok",
            "to": "rejected",
            "image": IMAGE,
            "withheld": False,
            "next_step": "Wrong username or secret: create a new token at the registry and "
            "replace the password.",
        },
    }


async def test_pages_go_on_where_the_last_one_ended(world: World) -> None:
    kinds = [VerdictKind.REJECTED, VerdictKind.OK] * 3
    await changing(world, "hub", *kinds)
    told: list[Any] = []
    cursor = ""
    while True:
        page = (await world.send("GET", f"{EVENTS}?limit=4{cursor}")).json()
        told += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert [event["details"]["to"] for event in told] == kinds[::-1]


async def test_narrowed_by_kind_and_by_login(world: World) -> None:
    one = await changing(world, "one", VerdictKind.REJECTED)
    await changing(world, "two", VerdictKind.DENIED)

    async def names(query: str) -> list[str]:
        items = (await world.send("GET", f"{EVENTS}?{query}")).json()["items"]
        return [event["credential"]["name"] for event in items]

    assert await names("kind=verdict.changed") == ["two", "one"]
    assert await names("kind=expiry.near") == []
    assert await names("credential=one") == ["one"]
    assert await names(f"credential={one['id']}") == ["one"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("credential=nobody", "credential-not-found"),
        ("kind=nothing", "invalid-input"),
        ("credential=", "invalid-input"),
        ("since=2030-01-01T00:00:00Z", "invalid-input"),
        ("cursor=x", "invalid-input"),
    ],
)
async def test_what_cannot_be_looked_for_is_refused(world: World, query: str, says: str) -> None:
    assert problem(await world.send("GET", f"{EVENTS}?{query}")) == says


async def test_a_projects_interval_is_shown_and_changed(world: World) -> None:
    project = "/v1/projects/-"
    before = (await world.send("GET", project)).json()
    changed = await world.send("PATCH", project, {"recheck_every": 3600})
    kept = await world.send("PATCH", project, {"require_if_match": True})

    assert before["recheck_every"] == 86400
    assert changed.json()["recheck_every"] == kept.json()["recheck_every"] == 3600


@pytest.mark.parametrize("value", [1, 899, 2592001, -900, "3600", 3600.5, None, True])
async def test_an_interval_out_of_bounds_is_refused(world: World, value: object) -> None:
    reply = await world.send("PATCH", "/v1/projects/-", {"recheck_every": value})

    assert problem(reply) in {"invalid-input", "malformed-request"}
    assert (await world.send("GET", "/v1/projects/-")).json()["recheck_every"] == 86400
