"""Yotta's list has no pages: it ends where it would get out of hand, and says where to go on."""

from __future__ import annotations

import pytest

from regcred.web.dialects.yotta import routes
from tests.web.dialects.driver import Said, Speaker, driver_of
from tests.web.world import World


@pytest.mark.parametrize("most", [3, 1200])
async def test_it_lists_up_to_its_limit_and_no_further(
    world: World, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(routes, "MAX_LISTED", most)
    for number in range(most):
        await world.add(f"login-{number}")
    speaker = Speaker(world, driver_of("yotta"))

    full = await speaker.list()
    await world.add("one-too-many")
    for path in (speaker.driver.collection, "/openapi/v1/credentials/list"):
        reply = await speaker.refused(Said("GET", path), 400)
        assert reply.json()["code"] == 10001
        assert "GET /v1/projects/-/credentials" in reply.json()["message"]

    assert [shown.name for shown in full] == [f"login-{number}" for number in range(most)]


def test_the_limit_is_the_designs() -> None:
    assert routes.MAX_LISTED == 10_000
