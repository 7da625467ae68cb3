"""Lists of credentials: filters that mean what they say, pages without gap or overlap."""

from __future__ import annotations

import pytest

from tests.web.world import World, problem

HERE = "/v1/projects/-/credentials"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a", "b", "c"]),
        ("name=b", ["b"]),
        ("name=B", []),
        ("provider=docker_hub", ["c"]),
        ("registry=registry.example.com", ["a"]),
        ("registry=index.docker.io", ["c"]),
        ("registry=other.example.com:5000", ["b"]),
        ("username=robot", ["a", "c"]),
        ("label=team", ["a", "b"]),
        ("label=team%3Dshop", ["a"]),
        ("label=team%3D", []),
        ("verdict=ok", ["a"]),
        ("verdict=rejected", []),
        ("expiring_before=2030-06-01T00:00:00Z", ["b"]),
        ("expiring_before=2030-06-01T02:00:00%2B02:00", ["b"]),
        ("unused_since=2030-01-01T00:00:00Z", ["a", "b", "c"]),
        ("username=robot&label=team", ["a"]),
    ],
)
async def test_a_list_is_narrowed_by_its_filters(
    world: World, query: str, names: list[str]
) -> None:
    await world.add("a", labels={"team": "shop"})
    await world.add(
        "b", registry_url="other.example.com:5000", username="ann", labels={"team": "x"},
        expires_at="2030-03-01T00:00:00Z",
    )  # fmt: skip
    await world.add("c", registry_url="docker.io", provider="docker_hub")
    await world.send("POST", f"{HERE}/a:verify")

    reply = await world.send("GET", f"{HERE}?{query}")

    assert [item["name"] for item in reply.json()["items"]] == names
    assert reply.json()["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("nane=b", "query"),
        ("name=b&name=b", "name"),
        ("name=", "name"),
        ("name=a%00b", "name"),
        ("username=%ED%A0%80%0A", "username"),
        ("label=", "label"),
        ("registry=http://x", "registry"),
        ("registry=2130706433", "registry"),
        ("verdict=fine", "verdict"),
        ("expiring_before=tomorrow", "expiring_before"),
        ("expiring_before=2030-06-01T00:00:00", "expiring_before"),
        ("unused_since=" + "9" * 400, "unused_since"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=", "limit"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "A" * 5000, "cursor"),
        ("%FF=1", "query"),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(
    world: World, query: str, field: str
) -> None:
    reply = await world.send("GET", f"{HERE}?{query}")

    assert problem(reply) == "invalid-input"
    assert [each["field"] for each in reply.json()["errors"]] == [field]


async def test_pages_follow_each_other_without_gap_or_overlap(world: World) -> None:
    for number in range(7):
        await world.add(f"n{number}")
    seen: list[str] = []
    query = "?limit=3"
    pages = 0
    while True:
        page = (await world.send("GET", HERE + query)).json()
        seen += [item["name"] for item in page["items"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        query = f"?limit=3&cursor={page['next_cursor']}"

    assert seen == [f"n{number}" for number in range(7)]
    assert pages == 3


async def test_a_deleted_login_does_not_break_a_page(world: World) -> None:
    for number in range(4):
        await world.add(f"n{number}")
    cursor = (await world.send("GET", f"{HERE}?limit=2")).json()["next_cursor"]
    await world.send("DELETE", f"{HERE}/n1")

    page = (await world.send("GET", f"{HERE}?limit=2&cursor={cursor}")).json()

    assert [item["name"] for item in page["items"]] == ["n2", "n3"]
