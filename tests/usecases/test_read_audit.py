"""The audit tells who pulled what from where, and only admins read it."""

from __future__ import annotations

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import AccessDenied, ProjectNotFound
from regcred.domain.ports import AuditFilter
from tests.usecases.world import World


async def test_rows_come_newest_first_and_page(world: World) -> None:
    await world.login("a")
    await world.login("b")

    newest = await world.audit(world.operator, None, AuditFilter(), 0, 1)
    rest = await world.audit(world.operator, None, AuditFilter(), newest[-1].number, 10)

    actions = [str(row.event.action) for row in [*newest, *rest]]
    assert actions[:2] == ["credential.created", "credential.created"]
    assert actions[-1] == "project.created"
    numbers = [row.number for row in [*newest, *rest]]
    assert numbers == sorted(numbers, reverse=True)


async def test_rows_are_narrowed(world: World) -> None:
    stored = await world.login("a")
    await world.login("b")

    rows = await world.audit(world.operator, None, AuditFilter(target=str(stored.id)), 0, 10)

    assert [row.event.details["name"] for row in rows] == ["a"]


@pytest.mark.parametrize("role", Role)
async def test_only_admins_read_it(world: World, role: Role) -> None:
    who = await world.caller(role)

    if role is Role.ADMIN:
        assert await world.audit(who, None, AuditFilter(), 0, 10)
    else:
        with pytest.raises(AccessDenied):
            await world.audit(who, None, AuditFilter(), 0, 10)


async def test_another_projects_rows_are_not_among_them(world: World) -> None:
    second = await world.project()

    rows = await world.audit(world.operator, second.id, AuditFilter(), 0, 10)

    assert [row.event.project_id for row in rows] == [second.id]


async def test_operators_alone_read_what_happened_to_the_service_itself(world: World) -> None:
    pruned = AuditEvent(Action.AUDIT_PRUNED, NO_PROJECT, "regcred", world.clock())
    await world.store.record(pruned)
    admin, lesser = await world.caller(Role.ADMIN), world.operator._replace(role=Role.PULLER)

    rows = await world.audit(world.operator, NO_PROJECT, AuditFilter(), 0, 10)

    assert [row.event.action for row in rows] == [Action.AUDIT_PRUNED]
    with pytest.raises(ProjectNotFound):
        await world.audit(admin, NO_PROJECT, AuditFilter(), 0, 10)
    with pytest.raises(AccessDenied):
        await world.audit(lesser, NO_PROJECT, AuditFilter(), 0, 10)
