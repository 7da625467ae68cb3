"""Who is told who fetched a login, and whom a leak concerns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regcred.domain.access import Caller, Role
from regcred.domain.errors import CredentialNotFound
from regcred.domain.fetch import KEPT
from regcred.usecases.pull import question_for_image
from regcred.usecases.read_fetches import Fetches
from regcred.usecases.serve_docker_helper import question_for_server
from tests.usecases.test_hand_out_logins import ask as hand_out
from tests.usecases.world import REGISTRY, START, World, presented

SECOND = timedelta(seconds=1)


async def told(world: World, caller: Caller | None = None, since: int | None = None) -> Fetches:
    """Return who fetched `hub`, since so many seconds after the start."""
    at = None if since is None else START + since * SECOND
    return await world.fetches(caller or world.operator, None, "hub", at, None, 200)


async def test_a_login_that_nobody_fetched(world: World) -> None:
    await world.login()

    assert await told(world) == ([], None, True, None)


async def test_a_pull_is_told_with_where_it_goes(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    await world.pull(key, f"{REGISTRY}/team/app:1", node="node-1", namespace="shop")

    (one,) = (await told(world)).items
    assert (one.principal, one.client, one.image, one.node, one.namespace) == (
        f"key:{key.split('_')[1]}",
        "test",
        f"{REGISTRY}/team/app",
        "node-1",
        "shop",
    )
    assert one.first_at == one.last_at == START


async def test_what_is_not_handed_out_is_no_fetch(world: World) -> None:
    await world.login()
    await world.pull(await world.key(Role.PULLER), "elsewhere.example/app")

    assert (await told(world)).items == []


async def test_pages_go_on_and_end(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    for number in range(5):
        await world.pull(key, f"{REGISTRY}/app", node=f"n{number}")

    seen, before = [], None
    while True:
        page = await world.fetches(world.operator, None, "hub", None, before, 2)
        seen += [fetch.node for fetch in page.items]
        before = page.more
        if before is None:
            break
    assert seen == ["n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize(
    ("since", "nodes"),
    [
        (0, ["late", "early"]),
        # Whoever was seen at 0 may have come again at 59 s without a trace here.
        (59, ["late", "early"]),
        (60, ["late"]),
        (359, ["late"]),
        (360, []),
    ],
)
async def test_a_leak_concerns_everyone_who_may_have_got_it_since(
    world: World, since: int, nodes: list[str]
) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    await world.pull(key, f"{REGISTRY}/app", node="early")
    world.clock.forward(seconds=300)
    await world.pull(key, f"{REGISTRY}/app", node="late")

    assert [fetch.node for fetch in (await told(world, since=since)).items] == nodes


async def test_what_was_dropped_is_said(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    await world.pull(key, f"{REGISTRY}/app", node="dropped")
    world.clock.forward(seconds=10)
    for number in range(KEPT):
        await world.pull(key, f"{REGISTRY}/app", node=f"n{number}")

    everything, at_59, at_60 = [await told(world, since=since) for since in (None, 59, 60)]
    assert [found.complete for found in (everything, at_59, at_60)] == [False, False, True]
    assert everything.complete_since == START + 60 * SECOND


async def test_a_narrowed_key_hears_of_its_own_images(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    for image in ("team/app", "others/app", "teams/app"):
        await world.pull(key, f"{REGISTRY}/{image}")
    narrowed = await world.caller(Role.VIEWER, f"{REGISTRY}/team/*")

    assert [fetch.image for fetch in (await told(world, narrowed)).items] == [
        f"{REGISTRY}/team/app"
    ]


async def test_its_pages_pass_what_it_may_not_hear_of(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    await world.pull(key, f"{REGISTRY}/team/a")
    for number in range(450):
        await world.pull(key, f"{REGISTRY}/others/app", node=f"n{number}")
    await world.pull(key, f"{REGISTRY}/team/b")
    narrowed = await world.caller(Role.VIEWER, f"{REGISTRY}/team/*")

    first = await world.fetches(narrowed, None, "hub", None, None, 1)
    rest = await world.fetches(narrowed, None, "hub", None, first.more, 1)
    assert [fetch.image for fetch in (*first.items, *rest.items)] == [
        f"{REGISTRY}/team/b",
        f"{REGISTRY}/team/a",
    ]
    assert rest.more is None


async def test_of_an_ask_by_host_hears_who_may_pull_everything_there(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    await world.resolve(presented(key), question_for_server(REGISTRY))

    some = await world.caller(Role.VIEWER, f"{REGISTRY}/team/*")
    every = await world.caller(Role.VIEWER, REGISTRY)
    assert (await told(world, some)).items == []
    assert [fetch.image for fetch in (await told(world, every)).items] == [REGISTRY]


async def test_of_a_hand_out_for_no_image_hears_who_may_have_the_login_whole(world: World) -> None:
    await world.login("hub", f"{REGISTRY}/team")
    await hand_out(world, await world.caller(Role.PULLER))

    whole = await world.caller(Role.VIEWER, f"{REGISTRY}/team")
    some = await world.caller(Role.VIEWER, f"{REGISTRY}/team/app")
    assert [fetch.image for fetch in (await told(world, whole)).items] == [""]
    assert (await told(world, some)).items == []


async def test_a_hand_out_for_images_is_told_for_each(world: World) -> None:
    await world.login()
    images = [f"{REGISTRY}/team/app", f"{REGISTRY}/other"]
    await hand_out(world, await world.caller(Role.PULLER), images=images)

    team = await world.caller(Role.VIEWER, f"{REGISTRY}/team/*")
    assert {fetch.image for fetch in (await told(world)).items} == {*images}
    assert [fetch.image for fetch in (await told(world, team)).items] == images[:1]


async def test_an_edited_row_is_kept_from_narrowed_keys(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    _, question = question_for_image(f"{REGISTRY}/app")
    await world.resolve(presented(key), question._replace(text="no image at all"))
    narrowed = await world.caller(Role.VIEWER, f"{REGISTRY}/team/*")

    assert (await told(world, narrowed)).items == []
    assert len((await told(world)).items) == 1


async def test_a_login_of_other_images_is_a_missing_one(world: World) -> None:
    await world.login()
    narrowed = await world.caller(Role.ADMIN, "elsewhere.example/*")

    with pytest.raises(CredentialNotFound):
        await told(world, narrowed)
