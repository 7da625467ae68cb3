"""Projects are the operator's to make and everyone's own to see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import (
    AccessDenied,
    IdempotencyConflict,
    InvalidInput,
    KeyringUnavailable,
    NameTaken,
    ProjectNotEmpty,
    ProjectNotFound,
    StoreUnavailable,
    VersionMismatch,
)
from regcred.domain.ports import SWAP_ATTEMPTS, IdempotentRequest
from tests.usecases.world import World


async def test_projects_are_counted_from_one(world: World) -> None:
    second = await world.project()

    assert (world.home.number, second.number) == (1, 2)
    assert await world.store.project_seed(second.id)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER, Role.EDITOR, Role.ADMIN])
async def test_only_an_operator_makes_projects(world: World, role: Role) -> None:
    with pytest.raises(AccessDenied):
        await world.projects.create(await world.caller(role), "second")


async def test_no_project_without_a_seed(world: World) -> None:
    world.sealer.available = False

    with pytest.raises(KeyringUnavailable):
        await world.projects.create(world.operator, "second")

    assert len(await world.projects.list(world.operator, 0, 10)) == 1


async def test_a_name_is_taken_once(world: World) -> None:
    with pytest.raises(NameTaken):
        await world.projects.create(world.operator, "home")
    with pytest.raises(InvalidInput):
        await world.projects.create(world.operator, "a/b")


REQUEST = IdempotentRequest("key:K", "once", b"digest")


async def test_a_repeated_request_makes_one_project(world: World) -> None:
    first = await world.projects.create(world.operator, "second", REQUEST)
    again = await world.projects.create(world.operator, "second", REQUEST)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.project == first.project
    assert len(await world.projects.list(world.operator, 0, 10)) == 2


async def test_a_replay_shows_the_project_as_it_is_now(world: World) -> None:
    made = (await world.projects.create(world.operator, "second", REQUEST)).project
    renamed = await world.projects.update(world.operator, made.id, None, name="new")

    again = await world.projects.create(world.operator, "second", REQUEST)
    assert again.project == renamed

    await world.projects.delete(world.operator, made.id, None)
    with pytest.raises(ProjectNotFound):
        await world.projects.create(world.operator, "second", REQUEST)


async def test_another_request_under_the_same_idempotency_key_is_refused(world: World) -> None:
    await world.projects.create(world.operator, "second", REQUEST)

    with pytest.raises(IdempotencyConflict):
        await world.projects.create(world.operator, "third", replace(REQUEST, digest=b"other"))


async def test_only_an_operator_hears_of_an_earlier_request(world: World) -> None:
    await world.projects.create(world.operator, "second", REQUEST)

    with pytest.raises(AccessDenied):
        await world.projects.create(await world.caller(Role.ADMIN), "second", REQUEST)


async def test_everyone_sees_its_own_project_alone(world: World) -> None:
    second = await world.project()
    viewer = await world.caller(Role.VIEWER)

    assert await world.projects.list(viewer, 0, 10) == [world.home]
    assert await world.projects.list(viewer, 1, 10) == []
    assert await world.projects.get(viewer, None) == world.home
    assert await world.projects.get(viewer, 1) == world.home
    assert await world.projects.list(world.operator, 0, 10) == [world.home, second]
    assert await world.projects.list(world.operator, 1, 10) == [second]


async def test_an_update_changes_what_is_given(world: World) -> None:
    world.clock.forward(hours=1)

    renamed = await world.projects.update(world.operator, None, None, name="new")
    strict = await world.projects.update(
        world.operator, None, renamed.version, require_if_match=True
    )

    assert (strict.name, strict.require_if_match) == ("new", True)
    assert (strict.id, strict.number, strict.version) == (world.home.id, 1, 3)
    assert strict.updated_at > strict.created_at


@pytest.mark.parametrize("version", [0, 2])
async def test_a_stale_version_changes_nothing(world: World, version: int) -> None:
    with pytest.raises(VersionMismatch):
        await world.projects.update(world.operator, None, version, name="new")

    assert (await world.projects.get(world.operator, None)).name == "home"


async def test_two_changes_at_once_both_count(world: World) -> None:
    async def meanwhile() -> None:
        await world.projects.update(world.operator, None, None, require_if_match=True)

    world.store.before["update_project"] = [meanwhile]

    changed = await world.projects.update(world.operator, None, None, name="new")

    assert (changed.name, changed.require_if_match) == ("new", True)


async def test_a_project_that_never_stands_still_is_given_up(world: World) -> None:
    async def meanwhile() -> None:
        project = await world.store.find_project(1)
        event = (await world.events())[0]
        await super(type(world.store), world.store).update_project(project, None, event)

    world.store.before["update_project"] = [meanwhile] * SWAP_ATTEMPTS

    with pytest.raises(StoreUnavailable):
        await world.projects.update(world.operator, None, None, name="new")


async def test_an_empty_project_goes_with_its_keys(world: World) -> None:
    second = await world.project()
    await world.key(Role.VIEWER, project=second)

    await world.projects.delete(world.operator, 2, second.version)

    with pytest.raises(ProjectNotFound):
        await world.projects.get(world.operator, 2)


async def test_a_project_with_credentials_stays(world: World) -> None:
    await world.projects.create(world.operator, "second")
    elsewhere = await world.caller(
        Role.ADMIN, project=await world.projects.get(world.operator, 2), operator=True
    )
    await world.login()

    with pytest.raises(ProjectNotEmpty):
        await world.projects.delete(elsewhere, 1, None)


async def test_nobody_deletes_the_home_of_its_own_key(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.projects.delete(world.operator, None, None)


async def test_an_admin_deletes_no_project(world: World) -> None:
    admin = await world.caller(Role.ADMIN)

    for ref in (1, 2, 99):
        with pytest.raises(AccessDenied):
            await world.projects.delete(admin, ref, None)


async def test_a_key_narrowed_to_images_changes_nothing_for_everyone(world: World) -> None:
    narrowed = await world.caller(Role.ADMIN, "reg.example.com/team/*")

    with pytest.raises(AccessDenied, match="not narrowed"):
        await world.projects.update(narrowed, None, None, recheck_every=0)

    assert (await world.projects.get(narrowed, None)).recheck_every == 86400


async def test_every_change_is_audited(world: World) -> None:
    await world.projects.update(world.operator, None, None, name="new")

    (created,) = await world.events(Action.PROJECT_CREATED)
    (updated,) = await world.events(Action.PROJECT_UPDATED)

    assert created.target == updated.target == str(world.home.id)
    assert updated.principal == str(world.operator.principal)
