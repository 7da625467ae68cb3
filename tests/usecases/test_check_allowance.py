"""What a project may have checked in a minute is counted before anything goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from regcred.domain.access import Caller, Role
from regcred.domain.errors import CredentialNotFound, InvalidInput, QuotaExceeded, RegcredError
from regcred.domain.ports import AuditFilter, IdempotentRequest, ProjectRef
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from tests.usecases.world import CHECKS, REGISTRY, World, draft

Act = Callable[[World, Caller, ProjectRef | None], Awaitable[object]]

NEW = Change(frozenset({"password"}), password=Secret("new"))
REQUEST = IdempotentRequest("key:K", "once", b"digest")

CHECKING: dict[str, Act] = {
    "verify": lambda w, c, p: w.verification.stored(c, p, "hub", None),
    "verify typed in": lambda w, c, p: w.verification.typed_in(c, p, draft(), None),
    "probe": lambda w, c, p: w.probe(c, p, REGISTRY, {}),
    "create proven": lambda w, c, p: w.credentials.create(c, p, draft("new"), proven=True),
    "replace proven": lambda w, c, p: w.credentials.replace(
        c, p, "hub", None, draft(password="new"), proven=True
    ),
    "patch proven": lambda w, c, p: w.credentials.patch(c, p, "hub", None, NEW, proven=True),
}


def use_up(world: World, *, but: int = 0) -> None:
    for _ in range(CHECKS - but):
        world.allowance.take(world.home.id)


@pytest.mark.parametrize("name", CHECKING)
async def test_beyond_it_nothing_is_asked_and_nothing_changes(world: World, name: str) -> None:
    await world.login()
    use_up(world)
    before = await world.store.list_audit(world.home.id, AuditFilter(), 0, 100)

    with pytest.raises(QuotaExceeded) as refused:
        await CHECKING[name](world, world.operator, None)

    assert (refused.value.what, refused.value.retry_after) == ("checks for this project", 2)
    assert (world.registries.asked, world.registries.probed) == ([], [])
    assert await world.store.list_audit(world.home.id, AuditFilter(), 0, 100) == before
    world.clock.forward(seconds=2)
    await CHECKING[name](world, world.operator, None)


@pytest.mark.parametrize("name", CHECKING)
async def test_each_check_counts_once(world: World, name: str) -> None:
    await world.login()
    use_up(world, but=1)
    await CHECKING[name](world, world.operator, None)

    with pytest.raises(QuotaExceeded):
        world.allowance.take(world.home.id)


async def test_another_project_has_its_own(world: World) -> None:
    second = await world.project()
    use_up(world)

    await world.verification.typed_in(world.operator, second.id, draft(), None)

    assert len(world.registries.asked) == 1


async def test_what_asks_no_registry_does_not_count(world: World) -> None:
    await world.login()
    viewer = await world.caller(Role.VIEWER)
    refused: list[Awaitable[object]] = [
        world.verification.stored(viewer, None, "hub", None),
        world.verification.stored(world.operator, None, "another", None),
        world.verification.typed_in(world.operator, None, draft(provider="nosuch"), None),
        world.credentials.replace(world.operator, None, "another", None, draft(), proven=True),
        world.probe(world.operator, None, "user@r.example.com", {}),
    ]
    for act in refused:
        with pytest.raises(RegcredError):
            await act
    await world.credentials.create(world.operator, None, draft("unproven"))

    use_up(world)


async def test_a_repeated_request_does_not_count_again(world: World) -> None:
    create = world.credentials.create_once
    use_up(world, but=1)
    await create(world.operator, None, draft(), proven=True, idempotent=REQUEST)

    again = await create(world.operator, None, draft(), proven=True, idempotent=REQUEST)

    assert again.replayed


async def test_who_may_not_know_of_a_login_is_not_told_of_the_allowance(world: World) -> None:
    await world.login()
    editor = await world.caller(Role.EDITOR)
    use_up(world)

    with pytest.raises(CredentialNotFound):
        await world.verification.stored(editor, None, "another", None)
    with pytest.raises(InvalidInput):
        await world.verification.typed_in(editor, None, draft(provider="nosuch"), None)
