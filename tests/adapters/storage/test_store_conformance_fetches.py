"""Who fetched a login: what every store remembers of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.domain.audit import Action
from regcred.domain.errors import CredentialNotFound
from regcred.domain.fetch import KEPT, MOST, Fetch
from regcred.domain.ports import AuditFilter
from tests.adapters.storage.samples import START, World, a_reveal, event, new_id

SECOND = timedelta(seconds=1)
REVEALS = AuditFilter(action="credential.revealed")


async def fetches(world: World, id_: UUID) -> list[Fetch]:
    return list(await world.store.list_fetches(world.id, id_, None, None, 2000))


async def fetch(world: World, *logins: UUID, after: int = 0, **more: Any) -> None:
    """Hand logins out, so many seconds after the start."""
    at = START + after * SECOND
    await world.store.record_reveal(a_reveal(world.id, *logins, at=at, **more))


async def nodes(world: World, id_: UUID) -> list[str]:
    return [one.node for one in await fetches(world, id_)]


async def test_a_login_that_was_never_handed_out_has_no_fetches(world: World) -> None:
    login = await world.add()

    assert await fetches(world, login.id) == []
    assert await world.store.fetches_lost_at(world.id, login.id) is None


async def test_a_fetch_says_who_asked_for_what_and_where_it_goes(world: World) -> None:
    first, second = await world.add("a"), await world.add("b")
    await fetch(world, first.id, second.id, node="node-1", namespace="shop")

    for login in (first, second):
        (one,) = await fetches(world, login.id)
        assert (one.principal, one.client, one.image, one.node, one.namespace) == (
            "key:puller",
            "docker",
            "r.example/team/app",
            "node-1",
            "shop",
        )
        assert one.first_at == one.last_at == START


@pytest.mark.parametrize(
    "other",
    [
        {"principal": "key:other"},
        {"client": "podman"},
        {"image": "r.example/other"},
        {"node": "node-2"},
        {"namespace": "shop"},
    ],
)
async def test_another_way_is_another_fetch(world: World, other: dict[str, Any]) -> None:
    login = await world.add()
    await fetch(world, login.id)
    await fetch(world, login.id, after=1, **other)

    assert [one.last_at for one in await fetches(world, login.id)] == [START + SECOND, START]


async def test_the_same_way_from_another_address_or_request_is_one(world: World) -> None:
    login = await world.add()
    await asyncio.gather(
        *(fetch(world, login.id, peer=f"192.0.2.{n}", request_id=f"r{n}") for n in range(9))
    )

    assert len(await fetches(world, login.id)) == 1


async def test_a_fetch_moves_once_a_minute_and_keeps_its_first_time(world: World) -> None:
    login = await world.add()
    seen = []
    for seconds in (0, 59, 60, 61, 120):
        await fetch(world, login.id, after=seconds)
        (one,) = await fetches(world, login.id)
        assert one.first_at == START
        seen.append((one.last_at - START).total_seconds())

    assert seen == [0, 0, 60, 60, 120]


async def test_a_clock_that_steps_back_moves_nothing_back(world: World) -> None:
    login = await world.add()
    await fetch(world, login.id, after=600)
    await fetch(world, login.id)

    (one,) = await fetches(world, login.id)
    assert one.last_at == START + 600 * SECOND


async def test_the_newest_stand_first_and_pages_go_on(world: World) -> None:
    login = await world.add()
    for number, seconds in enumerate((5, 0, 5, 9, 5)):
        await fetch(world, login.id, after=seconds, node=f"n{number}")
    everything = await fetches(world, login.id)
    paged: list[Fetch] = []
    before = None
    while page := await world.store.list_fetches(world.id, login.id, None, before, 2):
        paged += page
        before = page[-1].position

    assert [one.node for one in everything] == ["n3", "n4", "n2", "n0", "n1"]
    assert paged == everything


async def test_only_what_was_seen_after_a_time_is_listed(world: World) -> None:
    login = await world.add()
    for seconds in (0, 1, 2):
        await fetch(world, login.id, after=seconds, node=f"n{seconds}")

    later = await world.store.list_fetches(world.id, login.id, START, None, 10)
    assert [one.node for one in later] == ["n2", "n1"]


async def test_of_too_many_the_newest_stay_and_what_is_missing_is_known(world: World) -> None:
    """How many too many may lie there for a while is the store's to say, what is missing is not."""
    login, other = await world.add("a"), await world.add("b")
    await fetch(world, other.id, node="other")
    for start in range(0, KEPT + 200, 100):
        await asyncio.gather(
            *(fetch(world, login.id, after=n, node=f"n{n}") for n in range(start, start + 100))
        )

    kept = await nodes(world, login.id)
    assert KEPT <= len(kept) <= KEPT + 100
    assert kept == [f"n{KEPT + 199 - n}" for n in range(len(kept))]
    newest_lost = KEPT + 199 - len(kept)
    lost_at = await world.store.fetches_lost_at(world.id, login.id)
    assert lost_at == START + newest_lost * SECOND

    assert await nodes(world, other.id) == ["other"]
    assert await world.store.fetches_lost_at(world.id, other.id) is None


async def test_a_puller_that_makes_up_nodes_pushes_nobody_else_out(world: World) -> None:
    login = await world.add()
    for number in range(3):
        await fetch(world, login.id, principal=f"key:k{number}", node=f"old{number}")
        await fetch(world, login.id, after=1 + number, principal=f"key:k{number}", node="seen")
    for start in range(0, KEPT + 200, 100):
        await asyncio.gather(
            *(fetch(world, login.id, after=9 + n, node=f"n{n}") for n in range(start, start + 100))
        )

    kept = await fetches(world, login.id)
    others = [(one.principal, one.node) for one in kept if one.principal.startswith("key:k")]
    assert others == [(f"key:k{number}", "seen") for number in (2, 1, 0)]
    assert len(kept) <= KEPT + 3 + 100
    lost_at = await world.store.fetches_lost_at(world.id, login.id)
    assert lost_at is not None
    assert lost_at > START


async def test_what_is_kept_of_many_pullers_is_bounded(world: World) -> None:
    login = await world.add()
    for start in range(0, MOST + 200, 100):
        await asyncio.gather(
            *(
                fetch(world, login.id, after=n, principal=f"key:k{n}")
                for n in range(start, start + 100)
            )
        )

    kept = await fetches(world, login.id)
    assert MOST <= len(kept) <= MOST + 100
    newest_lost = MOST + 199 - len(kept)
    lost_at = await world.store.fetches_lost_at(world.id, login.id)
    assert lost_at == START + newest_lost * SECOND


async def test_fetches_go_with_their_login_and_the_audit_stays(world: World) -> None:
    login = await world.add()
    await fetch(world, login.id)
    deleted = event(Action.CREDENTIAL_DELETED, world.id, login.id)
    await world.store.delete_credential(world.id, login.id, None, deleted)

    assert await fetches(world, login.id) == []
    with pytest.raises(CredentialNotFound):
        await world.store.fetches_lost_at(world.id, login.id)
    assert len(await world.store.list_audit(world.id, REVEALS, 0, 10)) == 1


async def test_a_login_deleted_since_it_was_read_fails_nobody(world: World) -> None:
    gone, stays = new_id(), await world.add()
    await asyncio.gather(
        fetch(world, gone, stays.id), fetch(world, stays.id), fetch(world, gone, node="n")
    )

    assert await fetches(world, gone) == []
    assert len(await fetches(world, stays.id)) == 1
    assert len(await world.store.list_audit(world.id, REVEALS, 0, 10)) == 3


async def test_another_project_has_none_of_it(world: World) -> None:
    login, elsewhere = await world.add(), await world.add_project("beta")
    await fetch(world, login.id)

    assert await world.store.list_fetches(elsewhere.id, login.id, None, None, 10) == []
    with pytest.raises(CredentialNotFound):
        await world.store.fetches_lost_at(elsewhere.id, login.id)


async def test_a_login_that_the_client_has_already_is_used_without_an_audit_row(
    world: World,
) -> None:
    login = await world.add()
    seen = []
    for seconds in (0, 59, 60, 61, 120):
        at = START + seconds * SECOND
        await world.store.record_use(a_reveal(world.id, login.id, at=at, node="n"))
        (one,) = await fetches(world, login.id)
        found = await world.store.find_credential(world.id, login.id)
        assert (found.last_used_at, found.last_used_by) == (one.last_at, "key:puller")
        seen.append((one.last_at - START).total_seconds())

    assert seen == [0, 0, 60, 60, 120]
    assert await nodes(world, login.id) == ["n"]
    assert await world.store.list_audit(world.id, REVEALS, 0, 10) == []


async def test_a_use_of_a_login_that_is_gone_fails_nobody(world: World) -> None:
    gone = new_id()
    await world.store.record_use(a_reveal(world.id, gone))

    assert await fetches(world, gone) == []


async def test_where_a_login_goes_stands_in_the_audit_if_it_is_known(world: World) -> None:
    login = await world.add()
    await fetch(world, login.id, node="node-1", namespace="shop")
    await fetch(world, login.id, after=1)

    unknown, known = await world.store.list_audit(world.id, REVEALS, 0, 10)
    assert (known.event.details["node"], known.event.details["namespace"]) == ("node-1", "shop")
    assert unknown.event.details.keys() == {"image", "client", "logins"}
