"""Who fetched a login, on the wire: what the hot path is told, and what the list says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.web.delivery.asking import IMAGE, get, resolve
from tests.web.world import Headers, World, problem

FETCHES = "/v1/projects/-/credentials/hub/fetches"
WHERE = {"Regcred-Node": "node-7.example", "Regcred-Namespace": "shop"}


async def fetches(world: World, query: str = "", key: str = "viewer") -> Any:
    reply = await world.send("GET", f"{FETCHES}{query}", key=key)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_fetch_as_it_is_shown(world: World) -> None:
    await world.add("hub")
    await resolve(world, IMAGE, client="kubelet", headers=WHERE)

    shown = await fetches(world)
    (one,) = shown["items"]
    assert one.pop("principal").startswith("key:")
    first_at = one.pop("first_at")
    assert first_at.startswith("2030-01-01T00:00:00")
    assert one.pop("last_at") == first_at
    assert one == {
        "client": "kubelet",
        "image": IMAGE,
        "node": "node-7.example",
        "namespace": "shop",
    }
    assert (shown["next_cursor"], shown["complete"], shown["complete_since"]) == (None, True, None)


async def test_never_fetched(world: World) -> None:
    await world.add("hub")

    assert (await fetches(world))["items"] == []
    shown = await world.send("GET", "/v1/projects/-/credentials/hub")
    assert shown.json()["last_used_at"] is None


async def test_dockers_helper_says_where_too(world: World) -> None:
    await world.add("hub", registry_url="registry.example.com")
    await get(world, "registry.example.com", headers={"Regcred-Node": "laptop"})

    (one,) = (await fetches(world))["items"]
    assert (one["client"], one["image"], one["node"]) == (
        "docker",
        "registry.example.com",
        "laptop",
    )


async def test_it_stands_in_the_audit(world: World) -> None:
    await world.add("hub")
    await resolve(world, IMAGE, headers=WHERE)

    reply = await world.send("GET", "/v1/projects/-/audit?action=credential.revealed")
    (row,) = reply.json()["items"]
    assert (row["details"]["node"], row["details"]["namespace"]) == ("node-7.example", "shop")


@pytest.mark.parametrize("header", ["Regcred-Node", "Regcred-Namespace"])
@pytest.mark.parametrize(
    "value", [b"", b" ", b"a b", b"a/b", b"a,b", b"\xc3\xa9", b"a\x7f", b"n" * 254]
)
async def test_a_name_that_is_none_is_refused_by_header_and_rule(
    world: World, header: str, value: bytes
) -> None:
    await world.add("hub")
    for reply in (
        await resolve(world, IMAGE, headers=[(header.encode(), value)]),
        await get(world, "registry.example.com", headers=[(header.encode(), value)]),
    ):
        assert (reply.status_code, problem(reply)) == (400, "malformed-request")
        assert reply.json()["errors"] == [
            {"field": header, "rule": "must be 1-253 characters of A-Za-z0-9._-, or left away"}
        ]
    assert (await fetches(world))["items"] == []


async def test_a_name_is_said_once(world: World) -> None:
    await world.add("hub")
    reply = await resolve(world, IMAGE, headers=[("Regcred-Node", "a"), ("Regcred-Node", "b")])

    assert reply.json()["errors"] == [{"field": "Regcred-Node", "rule": "must be sent once"}]


async def test_who_is_not_known_hears_that_first(world: World) -> None:
    assert problem(await resolve(world, IMAGE, key=None, headers={"Regcred-Node": "/"})) == (
        "not-authenticated"
    )


@pytest.mark.parametrize(
    "headers", [{}, {"Regcred-Other": "a/b"}, {"Regcred-Node": "n" * 253}, {"Regcred-Node": "._-"}]
)
async def test_what_is_left_away_or_not_ours_hinders_nobody(world: World, headers: Headers) -> None:
    await world.add("hub")

    assert (await resolve(world, IMAGE, headers=headers)).status_code == 200


async def test_pages_go_on_where_the_last_one_ended(world: World) -> None:
    await world.add("hub")
    for number in range(5):
        world.clock.now += timedelta(microseconds=number)
        await resolve(world, IMAGE, headers={"Regcred-Node": f"n{number}"})

    seen: list[str] = []
    cursor = ""
    while True:
        page = await fetches(world, f"?limit=2{cursor}")
        seen += [one["node"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["n4", "n3", "n2", "n1", "n0"]


async def test_since_a_time(world: World) -> None:
    await world.add("hub")
    await resolve(world, IMAGE, headers={"Regcred-Node": "early"})
    world.clock.now += timedelta(hours=1)
    await resolve(world, IMAGE, headers={"Regcred-Node": "late"})

    async def nodes(since: str) -> list[str]:
        return [one["node"] for one in (await fetches(world, f"?since={since}"))["items"]]

    assert await nodes("2030-01-01T00:30:00Z") == ["late"]
    assert await nodes("2030-01-01T00:00:30Z") == ["late", "early"]
    assert await nodes("1970-01-01T00:00:00Z") == ["late", "early"]
    assert await nodes("9999-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("until=x", "query"),
        ("cursor=x", "cursor"),
    ],
)
async def test_what_cannot_be_looked_for_is_refused(world: World, query: str, field: str) -> None:
    await world.add("hub")
    reply = await world.send("GET", f"{FETCHES}?{query}")

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == field
