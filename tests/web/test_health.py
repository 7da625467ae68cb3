"""Whether it lives and can serve, briefly and at length."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.world import World

VERBOSE = "/readyz?verbose"


async def told(world: World, path: str = VERBOSE, status: int = 200) -> Any:
    reply = await world.send("GET", path, key=None)
    assert reply.status_code == status
    return reply.json()


async def test_at_length_each_check_has_a_state_a_reason_and_a_time(world: World) -> None:
    world.watched = {"audit chain": "ok", "audit anchor": "there is none"}

    said = await told(world)

    assert said["status"] == "ok"
    assert {name: (check["state"], check["reason"]) for name, check in said["checks"].items()} == {
        "store": ("ok", None),
        "keyring": ("ok", None),
        "migrations": ("ok", None),
        "audit chain": ("ok", None),
        "audit anchor": ("warning", "there is none"),
    }
    assert {len(check["since"]) for check in said["checks"].values()} == {27}


async def test_since_when_a_check_is_as_it_is_moves_when_it_changes(world: World) -> None:
    first = (await told(world))["checks"]
    world.checks = {**world.checks, "store": "does not read and write"}
    failed = (await told(world, status=503))["checks"]
    again = (await told(world, status=503))["checks"]

    assert failed["keyring"] == first["keyring"]
    assert failed["store"]["state"] == "failed"
    assert failed["store"]["since"] > first["store"]["since"]
    assert again == failed


async def test_what_requests_do_without_takes_no_traffic_away(world: World) -> None:
    world.watched = {"webhooks": "does not come round"}

    assert (await told(world))["status"] == "ok"
    assert await told(world, "/readyz") == {"status": "ok", "checks": world.checks}


@pytest.mark.parametrize("query", ["", "verbos", "verbose2=1", "x&verbose", "=verbose"])
async def test_anything_else_is_asked_briefly(world: World, query: str) -> None:
    assert await told(world, f"/readyz?{query}") == {"status": "ok", "checks": world.checks}


@pytest.mark.parametrize("query", ["verbose=", "verbose=1", "verbose=true"])
async def test_a_value_changes_nothing(world: World, query: str) -> None:
    assert "audit chain" in (await told(world, f"/readyz?{query}"))["checks"]
