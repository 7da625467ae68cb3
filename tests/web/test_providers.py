"""What is told of each family of registries is what the service goes by."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.world import Reply, World, problem


async def _listed(world: World, key: str = "admin") -> Any:
    reply = await world.send("GET", "/v1/providers", key=key)
    assert reply.json()["next_cursor"] is None
    return reply.json()["items"]


async def _add(world: World, provider: str, **more: Any) -> Reply:
    """Send a login that names no registry."""
    body = {"name": provider, "provider": provider, "username": "u", "password": "p", **more}
    return await world.send("POST", "/v1/projects/-/credentials", body)


def _rule(reply: Reply) -> str:
    assert problem(reply) == "invalid-input"
    return str(reply.json()["errors"][0]["rule"])


async def test_every_provider_that_a_login_may_name_is_listed(world: World) -> None:
    taken = _rule(await _add(world, "nonsense")).partition("one of: ")[2].split(", ")

    listed = await _listed(world)

    assert sorted(provider["slug"] for provider in listed) == taken
    assert listed[-1]["slug"] == "generic"


async def test_each_says_what_to_type_in_and_how_long_that_works(world: World) -> None:
    for provider in await _listed(world):
        assert provider["title"], provider
        assert provider["help"].endswith("."), provider
        assert provider["lifetime"].endswith("."), provider


async def test_the_settings_listed_are_those_that_a_login_may_have(world: World) -> None:
    listed = await _listed(world)
    every = {"nonsense"} | {name for provider in listed for name in provider["settings"]}
    for provider in listed:
        reply = await _add(world, provider["slug"], settings=dict.fromkeys(every, "?"))

        assert problem(reply) == "invalid-input"
        unknown = {
            broken["field"].removeprefix("settings.")
            for broken in reply.json()["errors"]
            if broken["rule"].startswith("unknown")
        }
        assert every - unknown == {*provider["settings"]}, provider


async def test_a_login_without_a_registry_is_for_the_registries_listed(world: World) -> None:
    for provider in await _listed(world):
        stored = await _add(world, provider["slug"])

        assert stored.json()["scopes"] == provider["registries"], provider


async def test_a_family_without_registries_of_its_own_is_found_anywhere(world: World) -> None:
    for provider in await _listed(world):
        assert provider["registries"] or provider["anywhere"], provider


async def test_each_is_shown_as_it_is_listed(world: World) -> None:
    for provider in await _listed(world):
        shown = await world.send("GET", f"/v1/providers/{provider['slug']}")

        assert shown.json() == provider


async def test_a_link_leads_to_its_makers_or_is_null(world: World) -> None:
    links = {provider["slug"]: provider["link"] for provider in await _listed(world)}

    assert links.pop("generic") is None
    for slug, link in links.items():
        assert link.startswith("https://"), slug


@pytest.mark.parametrize("slug", ["nonsense", "GHCR", "ghcr.io", "Docker%20Hub", "%20ghcr"])
async def test_an_unknown_provider_is_not_found(world: World, slug: str) -> None:
    assert problem(await world.send("GET", f"/v1/providers/{slug}")) == "not-found"


async def test_everybody_is_told_the_same(world: World) -> None:
    narrow = await world.send(
        "POST", "/v1/projects/-/keys",
        {"name": "n", "role": "puller", "image_patterns": ["registry.example.com/team"]},
    )  # fmt: skip
    listed = await _listed(world)

    assert await _listed(world, narrow.json()["key"]) == listed
    assert await _listed(world, "foreign viewer") == listed
