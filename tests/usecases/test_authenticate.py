"""A key is known by its secret alone, and says nothing to who does not hold it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from regcred.domain.access import Role
from regcred.domain.errors import NotAuthenticated, SealBroken
from regcred.domain.token import RANDOM_BYTES, ApiToken
from tests.usecases.world import START, World, patterns


async def reason(world: World, presented: str | None) -> str:
    with pytest.raises(NotAuthenticated) as refused:
        await world.authenticate(presented, request_id="", peer="")
    return refused.value.reason


async def test_a_caller_is_what_its_key_is(world: World) -> None:
    until = START + timedelta(days=1)
    text = await world.key(Role.PULLER, "reg.example.com/team", expires_at=until)

    who = await world.authenticate(text, request_id="r1", peer="192.0.2.1")

    assert who.principal.id == ApiToken.parse(text).id
    assert (who.role, who.operator, who.project_id) == (Role.PULLER, False, world.home.id)
    assert who.image_patterns == patterns("reg.example.com/team")
    assert (who.expires_at, who.request_id, who.peer) == (until, "r1", "192.0.2.1")


@pytest.mark.parametrize(
    ("presented", "why"),
    [(None, "missing"), ("", "missing"), ("x", "malformed"), ("a.b.c", "misplaced")],
)
async def test_what_is_no_key_is_refused_without_a_look_up(
    world: World, presented: str | None, why: str
) -> None:
    compared = world.digests.compared

    assert await reason(world, presented) == why
    assert world.digests.compared == compared


async def test_unknown_and_wrong_cost_and_say_the_same(world: World) -> None:
    real = ApiToken.parse(await world.key(Role.VIEWER))
    other = ApiToken.mint(bytes(RANDOM_BYTES))
    before = world.digests.compared

    unknown = await reason(world, other.reveal())
    wrong = await reason(world, ApiToken(real.id, other.secret).reveal())

    assert unknown == wrong == "unknown"
    assert world.digests.compared == before + 2


async def test_only_the_holder_hears_that_a_key_is_disabled(world: World) -> None:
    text = await world.key(Role.VIEWER)
    token = ApiToken.parse(text)
    await world.keys.update(world.operator, None, token.id, None, {"disabled": True})

    assert await reason(world, text) == "disabled"
    assert await reason(world, ApiToken(token.id, "0" * 43).reveal()) == "unknown"


async def test_a_key_ends_on_the_moment(world: World) -> None:
    text = await world.key(Role.VIEWER, expires_at=START + timedelta(seconds=60))
    world.clock.forward(seconds=59)
    await world.authenticate(text, request_id="", peer="")

    world.clock.forward(seconds=1)

    assert await reason(world, text) == "expired"
    assert await reason(world, ApiToken(ApiToken.parse(text).id, "0" * 43).reveal()) == "unknown"


@pytest.mark.parametrize("disabled", [False, True])
async def test_an_edited_row_is_a_broken_seal_to_the_holder_alone(
    world: World, disabled: bool
) -> None:
    """Found before anything in the row is believed, its being disabled too."""
    text = await world.key(Role.VIEWER)
    token = ApiToken.parse(text)
    stored = await world.store.find_key(world.home.id, token.id)
    edited = stored._replace(key=replace(stored.key, role=Role.ADMIN, disabled=disabled))
    world.store.edit_key(edited)

    with pytest.raises(SealBroken, match="an API key"):
        await world.authenticate(text, request_id="", peer="")
    with pytest.raises(SealBroken):
        await world.pull(text, "reg.example.com/team/app")
    assert await reason(world, ApiToken(token.id, "0" * 43).reveal()) == "unknown"


async def test_a_revoked_key_is_unknown_at_once(world: World) -> None:
    text = await world.key(Role.VIEWER)

    await world.keys.delete(world.operator, None, ApiToken.parse(text).id, None)

    assert await reason(world, text) == "unknown"
